import CloudletCore

/// Bounds what searchers can make the node send: a budget a source and one for all, both refilled steadily. A flood
/// from one address uses up its own; a flood from invented addresses can't make the node an amplifier, nor use up what
/// hosts get that are known to be there.
package struct ReplyBudget: Sendable {
    /// Answers a source may get at once.
    package var sourceBurst = 60.0
    /// Answers a source gets a second in the long run.
    package var sourceRate = 20.0
    /// The same for all sources together.
    package var totalBurst = 1000.0
    package var totalRate = 500.0
    /// So many of these are kept for sources that have most of their own left: a host that asks from many addresses uses up
    /// the others.
    package var quietReserve = 100.0
    /// The same for all sources together that are not known to be there.
    package var strangerBurst = 400.0
    package var strangerRate = 200.0
    /// Sources remembered; the longest silent ones are forgotten.
    package var maximumSources = 1024

    private struct Bucket: Sendable {
        var level: Double
        var time: ContinuousClock.Instant
    }

    private var sources: [IPAddress: Bucket] = [:]
    private var total: Bucket?
    private var strangers: Bucket?

    /// A full budget.
    package init() {}

    /// Whether the source itself may still get `count` answers; takes nothing.
    package func hasRoom(for count: Int, to source: IPAddress, at now: ContinuousClock.Instant = .now) -> Bool {
        Self.refilled(sources[source], at: now, burst: sourceBurst, rate: sourceRate).level >= Double(count)
    }

    /// Takes `count` answers to `source` off the budget.
    /// `isKnown` says whether the source is known to be there.
    /// - Returns: whether they may be sent.
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
        // A source that keeps asking without being answered is not quiet either.
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

    /// Drops the half of the sources that have been silent longest.
    private mutating func forget(at now: ContinuousClock.Instant) {
        let times = sources.values.map(\.time).sorted()
        let limit = times[times.count / 2]
        sources = sources.filter { $0.value.time > limit }
    }
}
