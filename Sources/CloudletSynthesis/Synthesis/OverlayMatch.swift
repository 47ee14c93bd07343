// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
package import CloudletOverlay
import CloudletStore
import CloudletSystem

/// Which overlays can be synthesized on a base, and how much disk space that needs.
extension Synthesizer {
    /// Refuses an overlay whose forwards can't work with these options.
    package static func requireForwards(_ meta: OverlayMeta, _ options: VMOptions) throws(CloudletError) {
        try options.requireAnswers(to: options.forwarding.wanted(meta.forwards))
    }

    /// Refuses an overlay that was not made from this base, or whose sizes don't fit it.
    package static func requireMatch(_ meta: OverlayMeta, _ base: OpenBase) throws(CloudletError) {
        try requireMatch(meta, base.record, base.machine)
    }

    /// Does the same for a base that need not be registered.
    static func requireMatch(
        _ meta: OverlayMeta, _ base: BaseVM, _ machine: MachineDescription
    ) throws(CloudletError) {
        // "No matching Base VM" is the wording of the original node.
        guard !meta.blobs.isEmpty else {
            throw CloudletError(.badData, "No matching Base VM: the overlay names no blobs")
        }
        guard meta.baseHash == base.hash else {
            throw CloudletError(
                .badData, "the overlay needs base VM \(meta.baseHash.short), not \(base.hash.short)",
                advice: "use the base VM it was made from")
        }
        if let wanted = meta.baseMemoryHash, wanted != base.memoryHash {
            throw CloudletError(
                .badData,
                "the overlay was made from the same disk but from another memory snapshot "
                    + "(\(wanted.short), not \(base.memoryHash.short))",
                advice: "copy the base VM's files from where the overlay was made")
        }
        guard meta.diskSize == base.diskBytes else {
            throw CloudletError(
                .badData, "the overlay makes a disk of \(meta.diskSize) bytes, the base has \(base.diskBytes)")
        }
        let smallest = machine.memoryBytes + SnapshotLayout.descriptionArea + Page.size
        guard meta.isDiskOnly || meta.memorySize >= smallest, meta.memorySize <= smallest + SnapshotLayout.maximumState,
            meta.memorySize % Page.size == 0
        else {
            throw CloudletError(
                .badData, "a memory snapshot of \(meta.memorySize) bytes does not fit the base VM's machine",
                advice: "the overlay is of another program, or damaged")
        }
    }

    /// Disk space that a synthesis can take in its scratch directory, from the sizes in the meta; `.max` when that is
    /// more than any disk has.
    ///
    /// This is the sum of three parts: the pages of the disk and their tables; the part of the memory snapshot behind
    /// the RAM (above all the device state, which can be a thousand times larger than its compressed form); and blobs
    /// with large windows, which are stored until they are complete, as many as are decoded at once.
    package static func diskBytes(for meta: OverlayMeta, on machine: MachineDescription) -> Int {
        let pages = meta.blobs.reduce(0) { $0.addedOrMost($1.diskChunks.count) }
        let kept = meta.blobs.map(\.size).sorted(by: >).prefix(WorkerPool.shared.width)
        return kept.reduce(pages.multipliedOrMost(by: Page.size)) { $0.addedOrMost($1) }
            .addedOrMost(QCOW2Image.tableBytes(pages: pages, virtualSize: meta.diskSize))
            .addedOrMost(max(0, meta.memorySize - machine.memoryBytes))
    }
}
