/// The connection that speaks for a session: the one that was attached last, until it is lost.
struct SessionConnection: Sendable {
    enum State: Sendable, Hashable {
        /// There was none yet.
        case none
        case attached
        case lost(since: ContinuousClock.Instant)
    }

    private(set) var state = State.none
    /// Counts the connections; the number of the one that was attached last.
    private(set) var number = 0
    /// Whether its client reconnects by itself when it is lost.
    private(set) var reconnects = false

    /// Makes another connection the one that speaks for the session.
    /// - Returns: its number.
    mutating func attach(reconnects: Bool) -> Int {
        number += 1
        state = .attached
        self.reconnects = reconnects
        return number
    }

    /// Whether the connection with this number speaks for the session.
    func isAttached(_ number: Int) -> Bool { state == .attached && self.number == number }

    mutating func lose(at now: ContinuousClock.Instant) { state = .lost(since: now) }

    /// Since when no connection has spoken for the session, after one had.
    var lostSince: ContinuousClock.Instant? {
        if case .lost(let since) = state { since } else { nil }
    }
}
