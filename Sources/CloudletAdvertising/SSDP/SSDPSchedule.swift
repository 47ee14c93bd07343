import CloudletDiscovery

/// When one endpoint sends what (UDA 2.0 §1.2.2). Has no clock: callers pass the time.
struct SSDPSchedule: Hashable, Sendable {
    /// The times of what is still to be sent, earliest first.
    private var plan: [Entry] = []
    /// Seconds until an announcement that is not repeated is void.
    private let maximumAge: Int

    private struct Entry: Hashable, Sendable {
        let time: ContinuousClock.Instant
        let kind: SSDPAnnouncement.Kind
        /// Whether the next refresh is planned when this has been sent.
        var isLast = false
    }

    /// Nothing is planned.
    init(maximumAge: Int) { self.maximumAge = maximumAge }

    /// When the next message is due.
    var next: ContinuousClock.Instant? { plan.first?.time }

    /// Plans the announcement of an endpoint that has just been opened: a random wait, so that hosts that start together
    /// don't speak together; goodbye, so that hosts that remember the node from before a crash forget it; then what
    /// `announce` does.
    mutating func start(at now: ContinuousClock.Instant) {
        let first = now + .milliseconds(.random(in: 0...100))
        plan = [Entry(time: first, kind: .byebye)]
        add(at: first + .milliseconds(100))
    }

    /// Plans the announcement in place of everything planned before: after a random wait, and again a few hundred
    /// milliseconds later, as packets get lost.
    mutating func announce(at now: ContinuousClock.Instant) {
        plan = []
        add(at: now + .milliseconds(.random(in: 0...100)))
    }

    private mutating func add(at time: ContinuousClock.Instant) {
        plan.append(Entry(time: time, kind: .alive))
        plan.append(Entry(time: time + .milliseconds(.random(in: 200...300)), kind: .alive, isLast: true))
    }

    /// Takes out what is due. After an announcement the next one is planned at a random time before half its life is
    /// over, so that hosts drift apart.
    mutating func takeDue(at now: ContinuousClock.Instant) -> [SSDPAnnouncement.Kind] {
        let due = plan.prefix { $0.time <= now }
        plan.removeFirst(due.count)
        if due.last?.isLast == true {
            add(at: now + .milliseconds(Int.random(in: maximumAge * 250...maximumAge * 450)))
        }
        return due.map(\.kind)
    }
}
