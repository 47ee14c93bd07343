// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// When a host whose names conflict may try the next name: at once for up to fifteen conflicts in ten seconds, then
/// once every five seconds (RFC 6762 §8.1).
struct ConflictPace: Hashable, Sendable {
    private var times: [ContinuousClock.Instant] = []
    /// Whether there have been too many conflicts.
    private(set) var isSlow = false

    /// Starts without conflicts.
    init() {}

    /// Records a conflict. A minute without a conflict resets the count.
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
    /// A little more than a minute, because time passes between this check and the transmission.
    private static let window = Duration.seconds(61)

    /// Starts without changes.
    init() {}

    /// Records a change.
    mutating func note(at now: ContinuousClock.Instant) { times = times.filter { now - $0 < Self.window } + [now] }

    /// The earliest time of the next change. Changes that can wait, such as a new load value, are spread evenly; all
    /// others are allowed at once until the minute's changes are used up.
    func next(hasTime: Bool) -> ContinuousClock.Instant? {
        let full = times.count < Self.perMinute ? nil : times[times.count - Self.perMinute] + Self.window
        let spread = hasTime ? times.last.map { $0 + Self.window / Self.perMinute } : nil
        return [full, spread].compactMap(\.self).max()
    }
}

/// When a node that uses another name tries its configured one again: at growing intervals, because other hosts may see
/// each try.
struct ReturnPace: Hashable, Sendable {
    private let first: Duration
    private var pause: Duration
    /// The time of the next try; `nil` when none is needed.
    private(set) var next: ContinuousClock.Instant?

    /// Creates a pace whose first try comes after `first`.
    init(first: Duration) {
        self.first = first
        pause = first
    }

    /// Plans the next try: the node uses another name from now on, or the configured one is still taken.
    mutating func wait(from now: ContinuousClock.Instant) {
        next = now + pause
        pause = min(pause * 2, max(first, .seconds(3600)))
    }

    /// Resets the pace: the node has its configured name, or was configured with another one.
    mutating func end() { self = ReturnPace(first: first) }
}

/// When other protocols learn that the node uses another name: at once the first time, then only after the name has
/// held for a growing time. Each change makes every protocol announce the node again, and a neighbour that claims name
/// after name must not cause that.
struct ShowPace: Hashable, Sendable {
    private var hold = Duration.zero
    private var last: ContinuousClock.Instant?

    /// Starts without a shown name.
    init() {}

    /// The time from which a name that was taken at `time` may be shown.
    func due(since time: ContinuousClock.Instant) -> ContinuousClock.Instant { time + hold }

    /// Records that a name was shown. Ten minutes without a new name reset the pace.
    mutating func note(at now: ContinuousClock.Instant) {
        if let last, now - last > .seconds(600) { hold = .zero }
        last = now
        hold = min(max(hold * 2, .seconds(2)), .seconds(120))
    }
}
