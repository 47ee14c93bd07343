import CloudletCore
import CloudletStore

/// Base VMs of which no warm VM could be made. Each is left alone for a time, which doubles with every failure of its
/// files: a damaged file or disk stays as it is. One whose files were touched since is tried at once.
struct BaseBackoff {
    private struct Failure {
        var base: BaseVM
        var count: Int
        var until: ContinuousClock.Instant
        var reason: String
    }

    private var failures: [SHA256Digest: Failure] = [:]

    private static let shortest = Duration.seconds(30)
    private static let mostDoublings = 6

    /// Whether a VM on this base may be tried now.
    func mayTry(_ base: BaseVM, at now: ContinuousClock.Instant) -> Bool {
        guard let failure = failures[base.hash], failure.base == base else { return true }
        return failure.until <= now
    }

    /// Notes a failure.
    /// - Returns: whether it says something new.
    mutating func failed(_ base: BaseVM, _ error: CloudletError, at now: ContinuousClock.Instant) -> Bool {
        let before = failures[base.hash].flatMap { $0.base == base ? $0 : nil }
        let isLasting = [.badData, .io, .notFound, .permission].contains(error.code)
        let count = isLasting ? min((before?.count ?? 0) + 1, Self.mostDoublings) : 1
        let reason = error.description
        failures[base.hash] = Failure(
            base: base, count: count, until: now + Self.shortest * (1 << (count - 1)), reason: reason)
        return before?.reason != reason
    }

    /// Notes that a VM could be made.
    mutating func succeeded(_ base: BaseVM) { failures[base.hash] = nil }

    /// Forgets bases that are no longer registered.
    mutating func keep(_ bases: [BaseVM]) {
        let known = Set(bases.map(\.hash))
        failures = failures.filter { known.contains($0.key) }
    }
}
