import CloudletCore
package import CloudletHypervisor
package import CloudletOverlay
import CloudletSystem

extension Synthesizer {
    /// Disk space that a synthesis may take in its scratch directory, by all that the meta announces; `.max` where that is
    /// more than any disk has.
    ///
    /// That are the pages of the disk and the tables that list them, what is behind the RAM in the memory snapshot (the
    /// device state above all: it compresses a thousand times and more), and for a while blobs with large windows, which
    /// are kept until they are complete, as many as are decoded at once.
    package static func diskBytes(for meta: OverlayMeta, on machine: MachineDescription) -> Int {
        let pages = meta.blobs.reduce(0) { $0.addedOrMost($1.diskChunks.count) }
        let kept = meta.blobs.map(\.size).sorted(by: >).prefix(WorkerPool.shared.width)
        return kept.reduce(pages.multipliedOrMost(by: Page.size)) { $0.addedOrMost($1) }
            .addedOrMost(QCOW2Image.tableBytes(pages: pages, virtualSize: meta.diskSize))
            .addedOrMost(max(0, meta.memorySize - machine.memoryBytes))
    }
}
