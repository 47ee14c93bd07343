// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore

/// Remembers which base VMs were used last.
struct BaseUse {
    /// Their hashes, the one used last first.
    private var recent: [SHA256Digest] = []
    private static let remembered = 64

    /// Notes that a base VM is used.
    mutating func note(_ base: SHA256Digest) {
        recent = [base] + recent.filter { $0 != base }.prefix(Self.remembered - 1)
    }

    /// How many other base VMs were used since this one; `.max` if it was not used.
    func age(of base: BaseVM) -> Int { recent.firstIndex(of: base.hash) ?? .max }

    /// Sorts base VMs by how likely they are to be used: those used last, then the newest.
    func sorted(_ bases: [BaseVM]) -> [BaseVM] {
        bases.sorted { left, right in
            let ages = (age(of: left), age(of: right))
            return ages.0 == ages.1 ? left.created > right.created : ages.0 < ages.1
        }
    }
}
