// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Computes how long each unit of work must wait so that the long-term rate stays below a limit but a burst can run at
/// once (the generic cell rate algorithm, ITU-T I.371).
package struct Pacer: Sendable {
    private let interval: Duration
    private let tolerance: Duration
    /// The time at which all units taken so far are within the rate.
    private var paidOff: ContinuousClock.Instant?

    /// A pacer of which no unit has been taken.
    /// - Parameters:
    ///   - perSecond: long-term number of units per second; greater than 0.
    ///   - burst: number of units that can be taken at once.
    package init(perSecond: Double, burst: Int) {
        interval = .seconds(1 / perSecond)
        tolerance = interval * max(0, burst - 1)
    }

    /// Takes units.
    /// - Parameters:
    ///   - count: the number of units.
    ///   - longest: if the wait would be longer, no unit is taken.
    ///   - now: the current time.
    /// - Returns: how long to wait before the work begins; `nil` when no unit was taken.
    package mutating func take(
        _ count: Int = 1, waitingAtMost longest: Duration? = nil, at now: ContinuousClock.Instant = .now
    ) -> Duration? {
        let start = max(now, paidOff ?? now)
        let wait = max(.zero, start - now - tolerance)
        if let longest, wait > longest { return nil }
        paidOff = start + interval * count
        return wait
    }

    /// Whether all units taken are within the rate, so that the state can be dropped.
    func isRested(at now: ContinuousClock.Instant) -> Bool { paidOff.map { $0 <= now } ?? true }
}

/// One pacer for each client. The state of a client that has taken no units for a while is dropped.
package final class RateLimit: Sendable {
    private struct State {
        var pacers: [String: Pacer] = [:]
        var swept = ContinuousClock.now
    }

    private let fresh: Pacer
    private let state = Mutex(State())

    /// A limit that no client has used yet.
    /// - Parameters:
    ///   - perSecond: long-term number of units per second for each client; greater than 0.
    ///   - burst: number of units that can be taken at once.
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

    /// The number of clients whose state is kept.
    var remembered: Int { state.withLock(\.pacers.count) }
}
