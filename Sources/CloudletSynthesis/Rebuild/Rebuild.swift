// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
package import CloudletOverlay
import CloudletStore
package import CloudletSystem
package import SystemPackage

/// A VM that is being rebuilt: its memory, its disk and the part of its snapshot behind the RAM.
package struct Rebuild: Sendable {
    let meta: OverlayMeta
    let base: OpenBase
    package let memory: SharedMemory
    package let disk: QCOW2Image
    private let tail: File
    private let directory: FilePath
    /// Whether the memory already contains the base's RAM.
    private let isFilled: Bool

    /// Makes empty images whose files are in a directory.
    package init(_ meta: OverlayMeta, _ base: OpenBase, in directory: FilePath) throws(CloudletError) {
        try self.init(
            meta, base, memory: SharedMemory(named: "cloudlet-ram", size: base.machine.memoryBytes),
            disk: QCOW2Image(
                directory.appending("disk.qcow2"), backing: base.record.files.disk, size: base.record.diskBytes),
            in: directory)
    }

    /// Uses this memory and this empty layer over the base's disk. `isFilled` says that the memory already contains the
    /// base's RAM.
    init(
        _ meta: OverlayMeta, _ base: OpenBase, memory: SharedMemory, disk: QCOW2Image, in directory: FilePath,
        isFilled: Bool = false
    ) throws(CloudletError) {
        self.meta = meta
        self.base = base
        self.isFilled = isFilled
        self.memory = memory
        self.disk = disk
        self.directory = directory
        tail = try File(directory.appending("tail"), .create(permissions: 0o600))
        try tail.resize(to: meta.memorySize - memory.size)
    }

    /// Receives and places the overlay, and copies the base's RAM at the same time.
    /// - Parameters:
    ///   - source: the blobs as they arrive.
    ///   - times: records the stages.
    ///   - progress: receives each piece that arrives.
    /// - Throws: `CloudletError` when the overlay is damaged or does not arrive.
    package func run<Source: AsyncSequence & Sendable>(
        _ source: Source, times: StageTimes, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) where Source.Element == BlobPiece {
        do {
            try await withThrowingTaskGroup { group in
                group.addTask {
                    if !isFilled {
                        try await times.measure(.copyMemory) { () async throws(CloudletError) in
                            try await copyBaseMemory()
                        }
                    }
                    try copyBaseTail()
                    try base.requireUnchangedMemory()
                }
                group.addTask {
                    try await times.measure(.receiveAndPlace) { () async throws(CloudletError) in
                        _ = try await decoding.run(source, progress: progress)
                    }
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
            targets: PageTargets(
                memory: SnapshotTarget(memory: memory, tail: tail, isFilled: isFilled), disk: disk),
            scratch: directory)
    }

    /// Copies the base's RAM except the pages that the overlay contains.
    private func copyBaseMemory() async throws(CloudletError) {
        let brought = meta.pages(of: .memory)
        try await MemoryCopy.copy(0..<memory.size, from: base.snapshot.file, to: memory) { brought.gaps(in: $0) }
    }

    /// Copies the part of the base's snapshot behind the RAM, except the pages that the overlay contains.
    private func copyBaseTail() throws(CloudletError) {
        try SnapshotTail.copy(
            of: base.snapshot, from: memory.size, to: tail, origin: memory.size, size: meta.memorySize,
            without: meta.pages(of: .memory))
    }

    /// The rebuilt part of the snapshot behind the RAM, checked.
    package func rebuiltSnapshot() throws(CloudletError) -> SnapshotFile {
        try SnapshotTail.open(tail, origin: memory.size, machine: base.machine)
    }
}
