package import CloudletCore
package import CloudletHypervisor
package import CloudletOverlay
import CloudletStore
package import CloudletSystem
package import CloudletWire
package import SystemPackage

/// A VM under reconstruction: its memory, its disk and the part of its snapshot behind the RAM.
package struct Rebuild: Sendable {
    let meta: OverlayMeta
    let base: OpenBase
    package let memory: SharedMemory
    package let disk: QCOW2Image
    private let tail: File

    /// Prepares empty images, their files in a scratch directory.
    package init(_ meta: OverlayMeta, _ base: OpenBase, in directory: FilePath) throws(CloudletError) {
        self.meta = meta
        self.base = base
        memory = try SharedMemory(named: "cloudlet-ram", size: base.machine.memoryBytes)
        disk = try QCOW2Image(
            directory.appending("disk.qcow2"), backing: base.record.files.disk, size: base.record.diskBytes)
        tail = try File(directory.appending("tail"), .create(permissions: 0o600))
        try tail.resize(to: meta.memorySize - memory.size)
    }

    /// Receives and places the overlay while the base's RAM is copied.
    /// - Parameters:
    ///   - source: the blobs as they arrive.
    ///   - times: notes the stages.
    ///   - received: is told how many bytes have come.
    /// - Throws: `CloudletError` when the overlay is damaged or does not come.
    package func run<Source: AsyncSequence & Sendable>(
        _ source: Source, times: StageTimes, received: @escaping @Sendable (Int) -> Void
    ) async throws(CloudletError) where Source.Element == BlobPiece {
        do {
            try await withThrowingTaskGroup { group in
                group.addTask {
                    try await times.measure("copy memory") { () async throws(CloudletError) in
                        try await copyBaseMemory()
                    }
                }
                group.addTask {
                    let start = times.elapsed
                    _ = try await decoding.run(source, received: received)
                    times.record("receive and place", from: start)
                }
                try await group.waitForAll()
            }
        } catch {
            throw .wrapping(error, .defect, "synthesis failed")
        }
    }

    /// Decodes the overlay into the memory, the tail and the disk.
    private var decoding: BlobDecoding {
        let geometry = OverlayGeometry(
            disk: meta.diskSize, memory: meta.memorySize, baseDisk: base.images.diskSize,
            baseMemory: base.images.memorySize)
        return BlobDecoding(
            meta: meta, geometry: geometry, base: base.images,
            targets: PageTargets(memory: SnapshotTarget(memory: memory, tail: tail), disk: disk))
    }

    /// Copies what the overlay does not bring from the base's snapshot: RAM into the shared memory, the rest into the
    /// tail.
    private func copyBaseMemory() async throws(CloudletError) {
        let brought = meta.pages(of: .memory)
        let source = base.snapshot.file
        try await MemoryCopy.copy(0..<memory.size, from: source, to: memory) { range in
            var parts: [Range<Int>] = []
            let pages = range.lowerBound / Page.size..<Page.count(covering: range.upperBound)
            brought.forEachRun(in: pages, member: false) { run in
                parts.append(
                    max(
                        run.lowerBound * Page.size, range.lowerBound)..<min(
                            run.upperBound * Page.size, range.upperBound))
            }
            return parts
        }
        try SnapshotTail.copy(
            of: source, from: memory.size, to: tail, origin: memory.size, size: meta.memorySize, without: brought)
    }

    /// The snapshot behind the RAM, checked.
    package func rebuiltSnapshot() throws(CloudletError) -> SnapshotFile {
        try SnapshotTail.open(tail, origin: memory.size, machine: base.machine)
    }
}
