// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
package import CloudletOverlay
package import CloudletStore
import CloudletSystem
import Synchronization
package import SystemPackage

/// Checks that an overlay can be rebuilt on a base: makes all steps of a synthesis except running the VM, and discards
/// the result. Base and overlay are only read. Rebuilt pages are stored in a file without a name.
package struct OverlayVerification: Sendable {
    private let base: BaseVM
    private let images: BaseImages
    private let snapshot: SnapshotFile

    /// The result of a successful verification.
    package struct Verdict: Sendable {
        /// The number of items of each kind.
        package let statistics: OverlayStatistics
        /// The VM that the overlay makes.
        package let description: VMDescription
    }

    /// Prepares to verify overlays on a base VM.
    /// - Parameters:
    ///   - disk: the base's disk; the base's other files are beside it.
    ///   - known: the registry's entry, if there is one. Without it, or if the files were changed, the files are
    ///     hashed.
    ///   - progress: receives each step when it begins.
    /// - Throws: `CloudletError` when the files are missing or are not those of a base VM.
    package init(
        disk: FilePath, known: BaseVM?, progress: (WorkProgress) -> Void = { _ in }
    ) async throws(CloudletError) {
        let files = BaseFiles(disk: disk)
        let diskFile = try File(disk, .read)
        let memoryFile = try File(files.memory, .read)
        images = try BaseImages(disk: diskFile, memory: memoryFile)
        snapshot = try SnapshotFile(memoryFile)
        let (diskStatus, memoryStatus) = (try diskFile.status(), try memoryFile.status())
        if let known, known.seen == BaseStamp(disk: diskStatus, memory: memoryStatus) {
            base = known
            return
        }
        progress(.hashing)
        let pool = WorkerPool.background
        async let hash = pool.run { () throws(CloudletError) in try DiskFingerprint.identity(of: diskFile) }
        async let memoryHash = pool.run { () throws(CloudletError) in try MemoryFingerprint.identity(of: memoryFile) }
        let hashes: (disk: SHA256Digest, memory: SHA256Digest)
        do { hashes = (try await hash, try await memoryHash) } catch {
            throw .wrapping(error, .io, "can't hash the base VM")
        }
        base = BaseVM(
            files: files, hash: hashes.disk, memoryHash: hashes.memory, diskBytes: images.diskSize,
            diskModified: diskStatus.modified, memoryBytes: snapshot.layout.memoryBytes,
            accelerator: snapshot.description.machine.accelerator.rawValue, created: 0)
    }

    /// Rebuilds all pages that the overlay describes and checks them.
    /// - Parameters:
    ///   - overlay: the overlay.
    ///   - progress: receives how much of the overlay is rebuilt.
    /// - Returns: the counts and the rebuilt VM's description.
    /// - Throws: `CloudletError.badData` with blob, item and byte, or with the reason why the overlay does not fit the
    ///   base.
    package func verify(
        _ overlay: OverlaySource, progress: @escaping @Sendable (WorkProgress) -> Void = { _ in }
    ) async throws(CloudletError) -> Verdict {
        let meta = overlay.meta
        try Synthesizer.requireMatch(meta, base, snapshot.description.machine)
        let targets = (memory: try ScratchTarget(meta.memorySize), disk: try ScratchTarget(meta.diskSize))
        let decoding = BlobDecoding(
            meta: meta,
            geometry: OverlayGeometry(
                disk: meta.diskSize, memory: meta.memorySize, baseDisk: images.diskSize,
                baseMemory: images.memorySize),
            base: images, targets: PageTargets(memory: targets.memory, disk: targets.disk))
        let done = Atomic(0)
        let total = Double(max(1, meta.totalBlobBytes))
        let statistics = try await decoding.run(OverlayPieces(overlay)) { part in
            guard case .received(let bytes) = part else { return }
            progress(.verifying(Double(done.add(bytes, ordering: .relaxed).newValue) / total))
        }
        guard !meta.isDiskOnly else { return Verdict(statistics: statistics, description: snapshot.description) }
        let ram = snapshot.description.machine.memoryBytes
        try SnapshotTail.copy(
            of: snapshot, from: ram, to: targets.memory.file, size: meta.memorySize,
            without: meta.pages(of: .memory))
        let rebuilt = try SnapshotTail.open(targets.memory.file, machine: snapshot.description.machine)
        return Verdict(statistics: statistics, description: rebuilt.description)
    }
}

/// Stores rebuilt pages in a sparse file without a name. The file disappears with the last reference.
private final class ScratchTarget: PageTarget {
    let file: File

    init(_ size: Int) throws(CloudletError) {
        file = try File.unnamed()
        try file.resize(to: size)
    }

    func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError) {
        try runs.forEachPart(of: bytes) { (run, part) throws(CloudletError) in try file.write(part, at: run.lowerBound)
        }
    }

    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) {
        // The file begins as one hole, and no page is placed twice.
    }

    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) {
        _ = try file.read(into: &buffer, count: count, at: offset)
    }
}
