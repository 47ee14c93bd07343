// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery

/// Decides when one endpoint sends which messages (UDA 2.0 §1.2.2). Has no clock: callers pass the time.
struct SSDPSchedule: Hashable, Sendable {
    /// The planned messages, earliest first.
    private var plan: [Entry] = []
    /// Seconds until an announcement that is not repeated expires.
    private let maximumAge: Int

    private struct Entry: Hashable, Sendable {
        let time: ContinuousClock.Instant
        let kind: SSDPAnnouncement.Kind
        /// Whether sending this entry plans the next refresh.
        var isLast = false
    }

    /// Creates an empty schedule.
    init(maximumAge: Int) { self.maximumAge = maximumAge }

    /// When the next message is due.
    var next: ContinuousClock.Instant? { plan.first?.time }

    /// Plans the announcement of an endpoint that has just been opened: a random wait, so that hosts that start
    /// together don't send together; a goodbye, so that hosts that remember the node from before a crash forget it;
    /// then the steps of `announce`.
    mutating func start(at now: ContinuousClock.Instant) {
        let first = now + .milliseconds(.random(in: 0...100))
        plan = [Entry(time: first, kind: .byebye)]
        add(at: first + .milliseconds(100))
    }

    /// Replaces everything planned with the announcement: after a random wait, and again a few hundred milliseconds
    /// later, because packets get lost.
    mutating func announce(at now: ContinuousClock.Instant) {
        plan = []
        add(at: now + .milliseconds(.random(in: 0...100)))
    }

    private mutating func add(at time: ContinuousClock.Instant) {
        plan.append(Entry(time: time, kind: .alive))
        plan.append(Entry(time: time + .milliseconds(.random(in: 200...300)), kind: .alive, isLast: true))
    }

    /// Takes out the messages that are due. After an announcement it plans the next one at a random time before half
    /// the lifetime is over, so that the announcements of several hosts drift apart.
    mutating func takeDue(at now: ContinuousClock.Instant) -> [SSDPAnnouncement.Kind] {
        let due = plan.prefix { $0.time <= now }
        plan.removeFirst(due.count)
        if due.last?.isLast == true {
            add(at: now + .milliseconds(Int.random(in: maximumAge * 250...maximumAge * 450)))
        }
        return due.map(\.kind)
    }
}
