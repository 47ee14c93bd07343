// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletStore

/// Decides of which base VMs there should be warm VMs.
struct WarmPlan {
    /// A base VM of which a warm VM may be made now.
    struct Candidate {
        let base: BaseVM
        /// Whether the last attempt to make a warm VM of it failed.
        let hasFailed: Bool
    }

    /// The base VM of each warm VM to keep: one for each, those likely to be used first; if more warm VMs are to be kept
    /// than there are base VMs, the list repeats.
    let wanted: [BaseVM]
    /// The base VMs to try again. An attempt that fails takes no warm VM from another base VM.
    let trials: [BaseVM]

    /// Makes the plan for a number of warm VMs. The candidates are sorted by how likely they are to be used.
    init(_ candidates: [Candidate], machines: Int) {
        let working = candidates.filter { !$0.hasFailed }.map(\.base)
        wanted = working.isEmpty ? [] : (0..<machines).map { working[$0 % working.count] }
        trials = candidates.prefix(machines).filter(\.hasFailed).map(\.base)
    }

    /// The base VMs of which warm VMs are missing, if there are warm VMs of those in `warm`.
    func missing(from warm: [BaseVM]) -> [BaseVM] {
        var warm = warm
        return (wanted + trials).filter { base in
            guard let index = warm.firstIndex(of: base) else { return true }
            warm.remove(at: index)
            return false
        }
    }
}
