import Dispatch
import Glibc
import Synchronization

/// Holds some of the threads that the system allows this program, and lets go of them when it gives no more.
///
/// Dispatch, and with it everything that runs on Swift's common pool, waits where a new thread is wanted until there is
/// one: at last nothing goes on, timers and signals included, and the program can't even be ended in good order. With what
/// is held back it goes on, and whoever begins something new can be told.
package final class ThreadReserve: Sendable {
    private let count: Int
    private let interval: Duration
    private let released = DispatchSemaphore(value: 0)
    private let short = Atomic(false)

    /// Holds back `count` threads, and looks every `interval` whether the system still gives some.
    package init(count: Int = 16, interval: Duration = .milliseconds(250)) {
        self.count = count
        self.interval = interval
    }

    /// Whether the system gives no more threads.
    package var isShort: Bool { short.load(ordering: .relaxed) }

    /// Starts to hold and to look.
    /// - Parameter report: is told when the system gives no more, and when it does again; on a thread of its own, so it may
    ///   not begin anything that needs another one.
    package func start(report: @escaping @Sendable (_ isShort: Bool) -> Void) {
        _ = DetachedThread.start { [self] in
            var held = 0
            var rounds = 0
            while true {
                if held == count || rounds % Self.roundsOfWaiting == 0 {
                    while held < count, DetachedThread.start({ [released] in released.wait() }) { held += 1 }
                    // Beside those held there must be one more.
                    let isShort = held < count || !DetachedThread.start({})
                    if isShort { release(&held) }
                    set(isShort, report)
                }
                rounds += 1
                usleep(UInt32(interval.components.attoseconds / 1_000_000_000_000))
            }
        }
    }

    /// While there are none, it is tried more seldom: what is free then is others'.
    private static let roundsOfWaiting = 8

    private func release(_ held: inout Int) {
        for _ in 0..<held { released.signal() }
        held = 0
    }

    private func set(_ isShort: Bool, _ report: (Bool) -> Void) {
        if short.exchange(isShort, ordering: .relaxed) != isShort { report(isShort) }
    }
}
