// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork

/// Queued verifications: trusted ones first, then those of each source in turn, so that a source with many claims does not
/// delay the others.
struct VerificationQueue: Sendable {
    private var trusted: [VerificationJob] = []
    private var bySource: [IPAddress: [VerificationJob]] = [:]
    private var turn: [IPAddress] = []
    /// The number of queued verifications.
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    /// Whether the next one is trusted.
    var isNextTrusted: Bool { !trusted.isEmpty }

    /// Adds a job for a claim of `source`; `nil` makes it a trusted one.
    mutating func add(_ job: VerificationJob, from source: IPAddress?) {
        count += 1
        guard let source else { return trusted.append(job) }
        if bySource[source] == nil { turn.append(source) }
        bySource[source, default: []].append(job)
    }

    /// Takes out the next job.
    mutating func next() -> (job: VerificationJob, isTrusted: Bool)? {
        guard count > 0 else { return nil }
        count -= 1
        if !trusted.isEmpty { return (trusted.removeFirst(), true) }
        let source = turn.removeFirst()
        guard var jobs = bySource.removeValue(forKey: source), !jobs.isEmpty else { return nil }
        let job = jobs.removeFirst()
        if !jobs.isEmpty {
            bySource[source] = jobs
            turn.append(source)
        }
        return (job, false)
    }

    /// Makes the jobs that fulfil `condition` trusted.
    mutating func prefer(_ condition: (VerificationJob) -> Bool) {
        for source in turn {
            guard let jobs = bySource[source], jobs.contains(where: condition) else { continue }
            trusted += jobs.filter(condition)
            bySource[source] = jobs.filter { !condition($0) }
        }
        bySource = bySource.filter { !$0.value.isEmpty }
        turn.removeAll { bySource[$0] == nil }
    }

    /// Drops the jobs that do not fulfil `condition`.
    mutating func keep(_ condition: (VerificationJob) -> Bool) {
        trusted.removeAll { !condition($0) }
        bySource = bySource.mapValues { $0.filter(condition) }.filter { !$0.value.isEmpty }
        turn.removeAll { bySource[$0] == nil }
        count = bySource.values.reduce(trusted.count) { $0 + $1.count }
    }
}
