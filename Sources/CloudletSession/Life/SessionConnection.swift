// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The connection that is attached to a session: the latest one, until it is lost.
struct SessionConnection: Sendable {
    enum State: Sendable, Hashable {
        /// No connection was attached yet.
        case none
        case attached
        case lost(since: ContinuousClock.Instant)
    }

    private(set) var state = State.none
    /// The number of the connection that was attached last. Numbers count up from 1.
    private(set) var number = 0
    /// Whether the client of this connection reconnects by itself when it is lost.
    private(set) var reconnects = false

    /// Attaches another connection to the session in place of the previous one.
    /// - Returns: its number.
    mutating func attach(reconnects: Bool) -> Int {
        number += 1
        state = .attached
        self.reconnects = reconnects
        return number
    }

    /// Whether the connection with this number is attached to the session.
    func isAttached(_ number: Int) -> Bool { state == .attached && self.number == number }

    mutating func lose(at now: ContinuousClock.Instant) { state = .lost(since: now) }

    /// When the connection was lost; `nil` if one is attached or none was attached yet.
    var lostSince: ContinuousClock.Instant? {
        if case .lost(let since) = state { since } else { nil }
    }
}
