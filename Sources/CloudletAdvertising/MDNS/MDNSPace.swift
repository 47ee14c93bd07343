/// When a host whose names conflict may try the next one: at most fifteen conflicts in ten seconds, then one try each
/// five seconds (RFC 6762 §8.1).
struct ConflictPace: Hashable, Sendable {
    private var times: [ContinuousClock.Instant] = []
    /// Whether there have been too many.
    private(set) var isSlow = false

    /// No conflict yet.
    init() {}

    /// Takes note of a conflict. A minute without one makes all be forgotten.
    /// - Returns: how long to wait before the next name is tried.
    mutating func conflict(at now: ContinuousClock.Instant) -> Duration {
        if let last = times.last, now - last > .seconds(60) { self = ConflictPace() }
        times = times.filter { now - $0 <= .seconds(10) } + [now]
        if times.count >= 15 { isSlow = true }
        return isSlow ? .seconds(5) : .zero
    }
}

/// When a published record may change again: at most ten times a minute (RFC 6762 §8.4).
struct ChangePace: Hashable, Sendable {
    private var times: [ContinuousClock.Instant] = []
    private static let perMinute = 10
    /// A little more than the rule has, as time passes between here and the wire.
    private static let window = Duration.seconds(61)

    /// Nothing has changed yet.
    init() {}

    /// Takes note of a change.
    mutating func note(at now: ContinuousClock.Instant) { times = times.filter { now - $0 < Self.window } + [now] }

    /// The time from which on there may be a change: for one that has time, as that of a load, evenly spread; for one that
    /// has not, at once while the minute's changes are not used up.
    func next(hasTime: Bool) -> ContinuousClock.Instant? {
        let full = times.count < Self.perMinute ? nil : times[times.count - Self.perMinute] + Self.window
        let spread = hasTime ? times.last.map { $0 + Self.window / Self.perMinute } : nil
        return [full, spread].compactMap(\.self).max()
    }
}

/// When a node that goes by another name tries its configured one again: more and more seldom, as each try may be seen.
struct ReturnPace: Hashable, Sendable {
    private let first: Duration
    private var pause: Duration
    /// When to try; `nil` when there is no need.
    private(set) var next: ContinuousClock.Instant?

    /// The first try comes after `first`.
    init(first: Duration) {
        self.first = first
        pause = first
    }

    /// The node goes by another name from now on, or the configured one is still taken.
    mutating func wait(from now: ContinuousClock.Instant) {
        next = now + pause
        pause = min(pause * 2, max(first, .seconds(3600)))
    }

    /// The node has its configured name, or was given another one.
    mutating func end() { self = ReturnPace(first: first) }
}

/// When others hear of another name: at once the first time, then after it has held for longer and longer. Each time every
/// protocol announces the node anew, which a neighbour that claims name after name must not bring about.
struct ShowPace: Hashable, Sendable {
    private var hold = Duration.zero
    private var last: ContinuousClock.Instant?

    /// No other name was shown yet.
    init() {}

    /// When a name that was taken at `time` may be shown.
    func due(since time: ContinuousClock.Instant) -> ContinuousClock.Instant { time + hold }

    /// Takes note of a name that was shown. Ten minutes without one makes all be forgotten.
    mutating func note(at now: ContinuousClock.Instant) {
        if let last, now - last > .seconds(600) { hold = .zero }
        last = now
        hold = min(max(hold * 2, .seconds(2)), .seconds(120))
    }
}
