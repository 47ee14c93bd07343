import CLinux
import CloudletCore
import Dispatch
import Glibc
import Synchronization
import SystemPackage

/// Takes in processes whose parent has gone, and removes them from the system's table when they have ended.
///
/// An emulator is the child of a helper of libvirt's that ends at once, so it falls to the first process of the system.
/// In containers that is often a program that removes no children, or this one; libvirt would wait for the emulator's end
/// for ever, or for a second and more.
package final class ChildReaper: Sendable {
    /// The one of this process.
    package static let shared = ChildReaper()

    private let starts = Atomic(0)
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)

    private struct State {
        /// How the last emulators ended, the latest last.
        var ends: [(process: pid_t, end: ProcessEnd)] = []
        /// Those who wait for an end.
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

    /// Runs `body`, which may start processes that become orphans.
    package func expecting<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        starts.add(1, ordering: .sequentiallyConsistent)
        wake.signal()
        defer {
            starts.subtract(1, ordering: .sequentiallyConsistent)
            wake.signal()
        }
        return try body()
    }

    /// How an emulator ended whose parent this process was at last; `nil` when it has not been removed from the system's
    /// table, or others were its parent. Only the last few hundred are known.
    package func end(of process: Int32) -> ProcessEnd? {
        state.withLock { $0.end(of: process) }
    }

    /// How an emulator ended that ends just now: others may know of that before it is removed from the system's table.
    /// - Returns: `nil` when it is not removed within `limit`, or others were its parent.
    package func end(of process: Int32, within limit: Duration) async -> ProcessEnd? {
        let removed = AsyncEvent()
        let known = state.withLock { state in
            let end = state.end(of: process)
            if end == nil { state.waiting.append((process, removed)) }
            return end
        }
        if let known { return known }
        _ = try? await withDeadline(limit) { () async throws(CloudletError) in await removed.wait() }
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

    /// Waits for the end of a child and removes it, if it is an orphan. Others are removed by those who started them;
    /// `seen` is the one that was left to them last, and how often.
    private func removeNext(_ seen: inout (child: pid_t, times: Int)) {
        let child = cloudlet_ended_child()
        guard child >= 0 else {
            // No children now. One may be there any moment while something is being started.
            if starts.load(ordering: .sequentiallyConsistent) > 0 { usleep(20_000) } else { wake.wait() }
            return
        }
        seen = (child, seen.child == child ? seen.times + 1 : 0)
        if Self.isEmulator(child) || (seen.times > Self.maximumRounds && getsid(child) != getsid(0)) {
            remove(child)
        } else {
            // A child that nobody removes, for example of a script of the user, hides those that ended after it.
            if seen.times > 0 { for other in Self.children() where Self.isEmulator(other) { remove(other) } }
            usleep(min(2_000 * UInt32(min(seen.times + 1, 1_000)), 100_000))
        }
    }

    /// Removes a child that is an orphan, if it has ended, and keeps how.
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

    /// Our children, ended or not; none where the kernel doesn't list them (proc(5), `/proc/TID/children`).
    private static func children() -> [pid_t] {
        let threads = (try? Directory.names(in: "/proc/self/task")) ?? []
        return threads.flatMap { thread in
            let list = try? File(FilePath("/proc/self/task/\(thread)/children"), .read).read(1 << 20, at: 0)
            return String(decoding: list ?? [], as: UTF8.self).split(separator: " ").compactMap { pid_t($0) }
        }
    }

    /// So often, a tenth of a second apart at last, an ended child in a session of its own is left to others.
    private static let maximumRounds = 100

    /// An emulator that libvirt started: in a session of its own, unlike those that this program starts itself.
    private static func isEmulator(_ process: pid_t) -> Bool {
        guard getsid(process) != getsid(0), let file = try? File(FilePath("/proc/\(process)/comm"), .read),
            let name = try? file.read(16, at: 0)
        else { return false }
        return name.starts(with: Array("qemu-".utf8))
    }
}
