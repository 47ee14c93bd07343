import Synchronization

/// Computes how long each piece of work has to wait so that the long-term rate stays below a limit while a burst may run
/// at once (the generic cell rate algorithm, ITU-T I.371).
package struct Pacer: Sendable {
    private let interval: Duration
    private let tolerance: Duration
    /// When everything taken so far is within the rate again.
    private var paidOff: ContinuousClock.Instant?

    /// A pacer from which nothing has been taken yet.
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
    /// - Returns: how long to wait before the work begins; `nil` when nothing was taken.
    package mutating func take(
        _ count: Int = 1, waitingAtMost longest: Duration? = nil, at now: ContinuousClock.Instant = .now
    ) -> Duration? {
        let start = max(now, paidOff ?? now)
        let wait = max(.zero, start - now - tolerance)
        if let longest, wait > longest { return nil }
        paidOff = start + interval * count
        return wait
    }

    /// Whether everything taken is within the rate again, so that the state need not be kept.
    func isRested(at now: ContinuousClock.Instant) -> Bool { paidOff.map { $0 <= now } ?? true }
}

/// One pacer for each client. The state of a client that has not asked for a while is dropped.
package final class RateLimit: Sendable {
    private struct State {
        var pacers: [String: Pacer] = [:]
        var swept = ContinuousClock.now
    }

    private let fresh: Pacer
    private let state = Mutex(State())

    /// A limit that no client has used yet.
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

    /// Clients whose state is kept.
    var remembered: Int { state.withLock(\.pacers.count) }
}
