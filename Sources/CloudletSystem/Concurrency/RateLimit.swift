import Synchronization

/// Says how long who asks for work has to wait, so that in the long run no more than a rate is done, but a burst at once
/// (the generic cell rate algorithm, ITU-T I.371).
package struct Pacer: Sendable {
    private let interval: Duration
    private let tolerance: Duration
    /// When all that was taken is paid off.
    private var paidOff: ContinuousClock.Instant?

    /// Nothing was taken yet.
    /// - Parameters:
    ///   - perSecond: units a second in the long run; above 0.
    ///   - burst: units at once.
    package init(perSecond: Double, burst: Int) {
        interval = .seconds(1 / perSecond)
        tolerance = interval * max(0, burst - 1)
    }

    /// Takes units.
    /// - Parameters:
    ///   - count: how many.
    ///   - longest: takes nothing where the wait would be longer.
    ///   - now: the time.
    /// - Returns: how long to wait before the work is begun; `nil` when nothing was taken.
    package mutating func take(
        _ count: Int = 1, waitingAtMost longest: Duration? = nil, at now: ContinuousClock.Instant = .now
    ) -> Duration? {
        let start = max(now, paidOff ?? now)
        let wait = max(.zero, start - now - tolerance)
        if let longest, wait > longest { return nil }
        paidOff = start + interval * count
        return wait
    }

    /// Whether it is as if nothing had been taken.
    func isRested(at now: ContinuousClock.Instant) -> Bool { paidOff.map { $0 <= now } ?? true }
}

/// A pacer for each of any number of clients. What is kept of one who has not asked for a while is forgotten.
package final class RateLimit: Sendable {
    private struct State {
        var pacers: [String: Pacer] = [:]
        var swept = ContinuousClock.now
    }

    private let fresh: Pacer
    private let state = Mutex(State())

    /// Nobody has asked yet.
    /// - Parameters:
    ///   - perSecond: units a second that each client gets in the long run; above 0.
    ///   - burst: units at once.
    package init(perSecond: Double, burst: Int) { fresh = Pacer(perSecond: perSecond, burst: burst) }

    /// Takes units for a client; see ``Pacer/take(_:waitingAtMost:at:)``.
    package func take(
        _ count: Int = 1, for client: String, waitingAtMost longest: Duration? = nil,
        at now: ContinuousClock.Instant = .now
    ) -> Duration? {
        state.withLock { state in
            if now - state.swept > .seconds(1) {
                state.pacers = state.pacers.filter { !$0.value.isRested(at: now) }
                state.swept = now
            }
            return state.pacers[client, default: fresh].take(count, waitingAtMost: longest, at: now)
        }
    }

    /// Clients of whom something is kept.
    var remembered: Int { state.withLock(\.pacers.count) }
}
