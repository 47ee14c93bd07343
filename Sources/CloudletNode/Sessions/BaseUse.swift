import CloudletCore
import CloudletStore

/// Which base VMs were used last.
struct BaseUse {
    /// Their hashes, the one used last first.
    private var recent: [SHA256Digest] = []
    private static let remembered = 64

    /// Notes that a base is used.
    mutating func note(_ base: SHA256Digest) {
        recent = [base] + recent.filter { $0 != base }.prefix(Self.remembered - 1)
    }

    /// How many bases were used since this one; `.max` when it was not used.
    func age(of base: BaseVM) -> Int { recent.firstIndex(of: base.hash) ?? .max }

    /// Bases in the order in which they will probably be used: those used last, then the newest.
    func sorted(_ bases: [BaseVM]) -> [BaseVM] {
        bases.sorted { left, right in
            let ages = (age(of: left), age(of: right))
            return ages.0 == ages.1 ? left.created > right.created : ages.0 < ages.1
        }
    }
}
