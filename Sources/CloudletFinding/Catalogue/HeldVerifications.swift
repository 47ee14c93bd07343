// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork

/// Verifications of further endpoints of a node, held back while its first endpoint is being verified: when that one
/// answers in time, the others need not be asked at the same moment, or, on other networks, at all.
struct HeldVerifications: Sendable {
    /// A verification that is held back.
    struct Entry: Sendable {
        let until: ContinuousClock.Instant
        let job: VerificationJob
        /// The host that claims the endpoint; `nil` when the claim comes from elsewhere.
        let source: IPAddress?
    }

    /// How long endpoints on the link are held back.
    private static let linkDelay = Duration.milliseconds(20)
    /// How long endpoints on other networks are held back, behind those on the link.
    private static let routedDelay = Duration.milliseconds(250)

    private var entries: [Entry] = []

    var isEmpty: Bool { entries.isEmpty }
    /// When the next verification is due; `nil` for never.
    var nextRelease: ContinuousClock.Instant? { entries.map(\.until).min() }

    /// Holds a verification back from `now` on.
    mutating func add(_ job: VerificationJob, from source: IPAddress?, at now: ContinuousClock.Instant) {
        let delay = job.endpoint.isRouted ? Self.routedDelay : Self.linkDelay
        entries.append(Entry(until: now + delay, job: job, source: source))
    }

    /// Takes out the verifications that fulfil `condition`.
    mutating func release(_ condition: (Entry) -> Bool) -> [Entry] {
        guard entries.contains(where: condition) else { return [] }
        defer { entries.removeAll(where: condition) }
        return entries.filter(condition)
    }
}
