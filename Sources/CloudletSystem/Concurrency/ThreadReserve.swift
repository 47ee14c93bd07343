// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Dispatch
import Glibc
import Synchronization

/// Keeps some threads in reserve, and ends them when the system allows this program no more threads.
///
/// While the system can't start a thread, Dispatch waits until it can, and with it everything on Swift's common pool.
/// In the end nothing runs any more, not even timers and signal handlers, and the program can't be stopped properly.
/// With the threads of the reserve, it continues and can refuse new work.
package final class ThreadReserve: Sendable {
    private let count: Int
    private let interval: Duration
    private let released = DispatchSemaphore(value: 0)
    private let short = Atomic(false)

    /// Keeps `count` threads in reserve, and checks every `interval` whether the system still starts threads.
    package init(count: Int = 16, interval: Duration = .milliseconds(250)) {
        self.count = count
        self.interval = interval
    }

    /// Checks that the system can start threads.
    /// - Throws: `CloudletError.busy` when it can't.
    package func requireThreads() throws(CloudletError) {
        if short.load(ordering: .relaxed) { throw DetachedThread.refusal }
    }

    /// Starts the reserve and the checks. The kernel reports no event, so the checks start threads.
    /// - Parameter report: called when the system can't start threads any more, and when it can again. It runs on a
    ///   thread of its own and must not do anything that needs another thread.
    package func start(report: @escaping @Sendable (_ isShort: Bool) -> Void) {
        _ = DetachedThread.start { [self] in
            var held = 0
            var rounds = 0
            while true {
                if held == count || rounds % Self.roundsOfWaiting == 0 {
                    while held < count, DetachedThread.start({ [released] in released.wait() }) { held += 1 }
                    // The system must be able to start one more thread besides the reserve.
                    let isShort = held < count || !DetachedThread.start({})
                    if isShort { release(&held) }
                    set(isShort, report)
                }
                rounds += 1
                usleep(UInt32(clamping: interval.microseconds))
            }
        }
    }

    /// While there are no threads, the check runs less often, because other programs need the threads that become free.
    private static let roundsOfWaiting = 8

    private func release(_ held: inout Int) {
        for _ in 0..<held { released.signal() }
        held = 0
    }

    private func set(_ isShort: Bool, _ report: (Bool) -> Void) {
        if short.exchange(isShort, ordering: .relaxed) != isShort { report(isShort) }
    }
}
