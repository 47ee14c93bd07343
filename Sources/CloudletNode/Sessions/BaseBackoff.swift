// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore

/// Remembers base VMs for which no warm VM could be created. Each is not tried for some time, which doubles with every
/// failure that is likely to last, such as a damaged file or an emulator that does not start. If its entry has changed
/// since, it is tried at once.
struct BaseBackoff {
    private struct Failure {
        var base: BaseVM
        var count: Int
        var until: ContinuousClock.Instant
        var reason: [Substring]
    }

    private var failures: [SHA256Digest: Failure] = [:]

    private static let shortest = Duration.seconds(30)
    private static let mostDoublings = 6

    /// Whether a VM of this base may be created now.
    func mayTry(_ base: BaseVM, at now: ContinuousClock.Instant) -> Bool {
        guard let failure = failures[base.hash], failure.base == base else { return true }
        return failure.until <= now
    }

    /// Whether the last attempt failed.
    func hasFailed(_ base: BaseVM) -> Bool { failures[base.hash]?.base == base }

    /// Notes a failure.
    /// - Returns: whether the reason differs from the previous failure's. Names of VMs, times and other words with
    ///   digits, which differ in each attempt, don't count.
    mutating func failed(_ base: BaseVM, _ error: CloudletError, at now: ContinuousClock.Instant) -> Bool {
        let before = failures[base.hash].flatMap { $0.base == base ? $0 : nil }
        let isLasting = [.badData, .io, .notFound, .permission, .unavailable].contains(error.code)
        let count = isLasting ? min((before?.count ?? 0) + 1, Self.mostDoublings) : 1
        let reason = error.description.split(separator: " ").filter { !$0.contains(where: \.isNumber) }
        failures[base.hash] = Failure(
            base: base, count: count, until: now + Self.shortest * (1 << (count - 1)), reason: reason)
        return before?.reason != reason
    }

    /// Notes that a VM of this base was created.
    mutating func succeeded(_ base: BaseVM) { failures[base.hash] = nil }

    /// Forgets base VMs that are no longer registered.
    mutating func keep(_ bases: [BaseVM]) {
        let known = Set(bases.map(\.hash))
        failures = failures.filter { known.contains($0.key) }
    }
}
