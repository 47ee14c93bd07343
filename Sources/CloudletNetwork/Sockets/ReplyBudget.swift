// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Limits the answers that searchers can make the node send: a budget for each source and one for all sources, both
/// refilled steadily. A flood from one address uses up only its own budget. A flood from invented addresses can't make
/// the node an amplifier, and can't use up the budget of hosts that are known to exist.
package struct ReplyBudget: Sendable {
    /// The largest number of answers to a source at once.
    package var sourceBurst = 60.0
    /// The number of answers to a source per second in the long run.
    package var sourceRate = 20.0
    /// The largest number of answers to all sources at once.
    package var totalBurst = 1000.0
    package var totalRate = 500.0
    /// The part of `totalBurst` that is reserved for sources that have used little of their own budget: a host that
    /// asks from many addresses can use up the rest only.
    package var quietReserve = 100.0
    /// The largest number of answers at once to all sources that are not known to exist.
    package var strangerBurst = 400.0
    package var strangerRate = 200.0
    /// The largest number of remembered sources; those silent for longest are forgotten.
    package var maximumSources = 1024

    private struct Bucket: Sendable {
        var level: Double
        var time: ContinuousClock.Instant
    }

    private var sources: [IPAddress: Bucket] = [:]
    private var total: Bucket?
    private var strangers: Bucket?

    /// Creates full budgets.
    package init() {}

    /// Whether the budget of the source allows `count` answers; does not change the budget.
    package func hasRoom(for count: Int, to source: IPAddress, at now: ContinuousClock.Instant = .now) -> Bool {
        Self.refilled(sources[source], at: now, burst: sourceBurst, rate: sourceRate).level >= Double(count)
    }

    /// Takes `count` answers to `source` from the budgets. `isKnown` says whether the source is known to exist.
    /// - Returns: whether the answers may be sent.
    package mutating func allow(
        _ count: Int, to source: IPAddress, isKnown: Bool = true, at now: ContinuousClock.Instant = .now
    ) -> Bool {
        var common =
            isKnown
            ? Self.refilled(total, at: now, burst: totalBurst, rate: totalRate)
            : Self.refilled(strangers, at: now, burst: strangerBurst, rate: strangerRate)
        var own = Self.refilled(sources[source], at: now, burst: sourceBurst, rate: sourceRate)
        let isQuiet = own.level >= sourceBurst * 0.8
        let reserve = isKnown && !isQuiet ? quietReserve : 0
        let allowed = own.level >= Double(count) && common.level >= Double(count) + reserve
        if allowed { common.level -= Double(count) }
        // The own budget of a known source decreases even if it gets no answer, so that one that keeps asking does not
        // count as quiet.
        if allowed || isKnown && own.level >= Double(count) { own.level -= Double(count) }
        if isKnown { total = common } else { strangers = common }
        sources[source] = own
        if sources.count > maximumSources { forget(at: now) }
        return allowed
    }

    private static func refilled(
        _ bucket: Bucket?, at now: ContinuousClock.Instant, burst: Double, rate: Double
    ) -> Bucket {
        guard let bucket else { return Bucket(level: burst, time: now) }
        return Bucket(level: min(burst, bucket.level + (now - bucket.time).seconds * rate), time: now)
    }

    /// Forgets the half of the sources that have been silent for longest.
    private mutating func forget(at now: ContinuousClock.Instant) {
        let times = sources.values.map(\.time).sorted()
        let limit = times[times.count / 2]
        sources = sources.filter { $0.value.time > limit }
    }
}
