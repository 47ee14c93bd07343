// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
import CloudletCore
import Dispatch
import Glibc
import Synchronization
import SystemPackage

/// Adopts processes whose parent has ended, and removes them from the process table when they end.
///
/// An emulator is the child of a helper of libvirt that ends at once, so the kernel gives it a new parent, the first
/// process of the system. In containers that is often a program that never removes ended children, or it is this
/// program. Then libvirt would wait for the emulator's end forever, or for more than a second.
package final class ChildReaper: Sendable {
    /// The instance of this process.
    package static let shared = ChildReaper()

    private let starts = Atomic(0)
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)

    private struct State {
        /// How the most recently ended emulators ended, the latest last.
        var ends: [(process: pid_t, end: ProcessEnd)] = []
        /// The tasks that wait for an end.
        var waiting: [(process: pid_t, removed: AsyncEvent)] = []

        func end(of process: pid_t) -> ProcessEnd? { ends.last { $0.process == process }?.end }
    }

    private init() {
        guard cloudlet_adopt_orphans() == 0 else { return }
        _ = DetachedThread.start { [self] in
            var seen = (child: pid_t(0), times: 0)
            while true { removeNext(&seen) }
        }
    }

    /// Runs `body`, which can start processes that become orphans.
    package func expecting<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        starts.add(1, ordering: .sequentiallyConsistent)
        wake.signal()
        defer {
            starts.subtract(1, ordering: .sequentiallyConsistent)
            wake.signal()
        }
        return try body()
    }

    /// How an emulator ended whose last parent was this process; `nil` when it is still in the process table, or
    /// another process was its parent. Only the last 256 ends are stored.
    package func end(of process: Int32) -> ProcessEnd? {
        state.withLock { $0.end(of: process) }
    }

    /// Waits for the result of an emulator that is just ending: others can learn of its end before this object does.
    /// - Returns: `nil` when it does not leave the table within `limit`, or another process was its parent.
    package func end(of process: Int32, within limit: Duration) async -> ProcessEnd? {
        let removed = AsyncEvent()
        let known = state.withLock { state in
            let end = state.end(of: process)
            if end == nil { state.waiting.append((process, removed)) }
            return end
        }
        if let known { return known }
        await removed.wait(until: .now + limit)
        return state.withLock { state in
            state.waiting.removeAll { $0.removed === removed }
            return state.end(of: process)
        }
    }

    /// Forgets how an earlier process with this number ended.
    package func forget(_ process: Int32) {
        state.withLock { $0.ends.removeAll { $0.process == process } }
    }

    private static let remembered = 256

    /// Waits for the end of a child and removes it if it is an orphan. Other children are removed by the code that
    /// started them. `seen` is the last child that was not removed, and how often it was found.
    private func removeNext(_ seen: inout (child: pid_t, times: Int)) {
        let child = cloudlet_ended_child()
        guard child >= 0 else {
            // There are no children now, and waitid(2) does not wait for the first one. While a process is being started,
            // an orphan can be adopted at any moment. At other times, children of this process can leave orphans. No
            // event reports that, so this is a poll.
            if starts.load(ordering: .sequentiallyConsistent) > 0 {
                usleep(20_000)
            } else {
                _ = wake.wait(timeout: .now() + .seconds(5))
            }
            return
        }
        seen = (child, seen.child == child ? seen.times + 1 : 0)
        if Self.isEmulator(child) || (seen.times > Self.maximumRounds && getsid(child) != getsid(0)) {
            remove(child)
        } else {
            // A child that stays in the table, for example one of a user's script, hides those that ended after it. It
            // makes waitid(2) return at once, so nothing but a poll finds the others.
            if seen.times > 0 { for other in Self.children() where Self.isEmulator(other) { remove(other) } }
            usleep(min(2_000 * UInt32(min(seen.times + 1, 1_000)), 100_000))
        }
    }

    /// Removes an orphan if it has ended, and stores how it ended.
    private func remove(_ child: pid_t) {
        var status: Int32 = 0
        guard unsafe waitpid(child, &status, WNOHANG) == child else { return }
        let end = ProcessEnd(status: status)
        let waiting = state.withLock { state in
            if state.ends.count >= Self.remembered { state.ends.removeFirst() }
            state.ends.append((child, end))
            return state.waiting.filter { $0.process == child }
        }
        for entry in waiting { entry.removed.set() }
    }

    /// The children of this process, ended or not; none if the kernel does not list them (proc(5),
    /// `/proc/TID/children`).
    private static func children() -> [pid_t] {
        let threads = (try? Directory.names(in: "/proc/self/task")) ?? []
        return threads.flatMap { thread in
            let list = try? File(FilePath("/proc/self/task/\(thread)/children"), .read).read(1 << 20, at: 0)
            return String(decoding: list ?? [], as: UTF8.self).split(separator: " ").compactMap { pid_t($0) }
        }
    }

    /// How often an ended child in a session of its own is left to other code, in the end every tenth of a second.
    private static let maximumRounds = 100

    /// Whether this is an emulator started by libvirt: it has a session of its own, unlike those that this program
    /// starts.
    private static func isEmulator(_ process: pid_t) -> Bool {
        guard getsid(process) != getsid(0), let file = try? File(FilePath("/proc/\(process)/comm"), .read),
            let name = try? file.read(16, at: 0)
        else { return false }
        return name.starts(with: Array("qemu-".utf8))
    }
}
