import Dispatch
import Glibc
import Synchronization

/// Keeps some threads in reserve and ends them when the system allows this program no more threads.
///
/// When the system starts no thread, Dispatch, and with it everything on Swift's common pool, waits until it does: in the
/// end nothing runs any more, timers and signals included, and the program can't be stopped in good order. With the reserve
/// set free it continues, and can refuse new work.
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

    /// Whether the system starts no more threads.
    package var isShort: Bool { short.load(ordering: .relaxed) }

    /// Starts the reserve and the checks. The kernel reports no event for this, so it has to be tried.
    /// - Parameter report: is called when the system starts no more threads, and when it does again; on a thread of its own,
    ///   so it must not begin anything that needs another thread.
    package func start(report: @escaping @Sendable (_ isShort: Bool) -> Void) {
        _ = DetachedThread.start { [self] in
            var held = 0
            var rounds = 0
            while true {
                if held == count || rounds % Self.roundsOfWaiting == 0 {
                    while held < count, DetachedThread.start({ [released] in released.wait() }) { held += 1 }
                    // There must be one more in addition to the reserve.
                    let isShort = held < count || !DetachedThread.start({})
                    if isShort { release(&held) }
                    set(isShort, report)
                }
                rounds += 1
                usleep(UInt32(interval.components.attoseconds / 1_000_000_000_000))
            }
        }
    }

    /// While there are none, it is tried less often: other programs need the threads that become free.
    private static let roundsOfWaiting = 8

    private func release(_ held: inout Int) {
        for _ in 0..<held { released.signal() }
        held = 0
    }

    private func set(_ isShort: Bool, _ report: (Bool) -> Void) {
        if short.exchange(isShort, ordering: .relaxed) != isShort { report(isShort) }
    }
}
