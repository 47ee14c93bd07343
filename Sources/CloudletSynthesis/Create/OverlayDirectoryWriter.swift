// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import Synchronization
import SystemPackage

/// Writes the files of an overlay: compresses the blobs on all cores, writes the meta last, and moves the files to
/// their final directory when all are complete.
struct OverlayDirectoryWriter {
    /// What the meta says about the base.
    struct BaseIdentity {
        let hash: SHA256Digest
        let memoryHash: SHA256Digest
        let diskBytes: Int

        init(_ base: BaseVM) { self.init(hash: base.hash, memoryHash: base.memoryHash, diskBytes: base.diskBytes) }

        init(hash: SHA256Digest, memoryHash: SHA256Digest, diskBytes: Int) {
            self.hash = hash
            self.memoryHash = memoryHash
            self.diskBytes = diskBytes
        }
    }

    let plan: OverlayPlan
    let base: BaseIdentity
    let memoryBytes: Int
    var guest: GuestSupport?
    let options: OverlayOptions
    var records: UnfinishedFiles?

    func write(
        to directory: FilePath, progress: (Double) -> Void
    ) async throws(CloudletError) -> WrittenOverlay {
        let destination = try OverlayDestination(directory, noting: records)
        do throws(CloudletError) {
            let result = try await writeFiles(to: destination.part, final: directory, progress)
            try destination.publish(last: Self.metaName(options))
            return result
        } catch {
            destination.discard()
            throw error
        }
    }

    private static func metaName(_ options: OverlayOptions) -> String { "\(options.name).overlay-meta" }

    private func writeFiles(
        to part: FilePath, final: FilePath, _ progress: (Double) -> Void
    ) async throws(CloudletError) -> WrittenOverlay {
        var blobs: [OverlayMeta.Blob] = []
        var statistics = OverlayStatistics()
        let atOnce = WorkerPool.shared.unitsAtOnce(
            takingBytes: try options.compression.memoryBytes(blobBytes: options.blobBytes),
            within: options.compressionMemory)
        let compressors = CompressorPool(options)
        try await mapInOrder(0..<plan.blobCount, atOnce: atOnce) { (number) throws(CloudletError) -> WrittenBlob in
            try compressors.lend { (encoder) throws(CloudletError) in try writeBlob(number, in: part, &encoder) }
        } consume: { (written) throws(CloudletError) in
            blobs.append(written.blob)
            statistics.add(written.statistics)
            progress(Double(blobs.count) / Double(plan.blobCount))
        }
        var meta = OverlayMeta(
            baseHash: base.hash, diskSize: base.diskBytes, memorySize: memoryBytes, blobs: blobs,
            baseMemoryHash: memoryBytes > 0 ? base.memoryHash : nil, forwards: options.forwards,
            readyPort: options.readyPort)
        (meta.guestClock, meta.guestRandom) = (guest?.clock.rawValue, guest?.random.rawValue)
        let name = Self.metaName(options)
        let file = try File(part.appending(name), .create(permissions: 0o644))
        try file.write(meta.encoded(within: .init()), at: 0)
        try file.synchronize()
        return .init(metaPath: final.appending(name), meta: meta, statistics: statistics)
    }

    private struct WrittenBlob: Sendable {
        let blob: OverlayMeta.Blob
        let statistics: OverlayStatistics
    }

    private func writeBlob(
        _ number: Int, in part: FilePath, _ encoder: inout Compressor
    ) throws(CloudletError) -> WrittenBlob {
        let compression: BlobCompression = options.compression.method == .xz ? .xz : .zstd
        let name = "\(options.name).overlay_\(number + 1).\(compression.fileExtension)"
        let file = try File(part.appending(name), .create(permissions: 0o644))
        var size = 0
        let contents = try BlobWriter.write(blob: number, of: plan) { (piece) throws(CloudletError) in
            try encoder.encode(piece) { (output) throws(CloudletError) in
                try file.write(output, at: size)
                size += output.count
            }
        }
        try encoder.finish { (output) throws(CloudletError) in
            try file.write(output, at: size)
            size += output.count
        }
        try file.synchronize()
        return WrittenBlob(
            blob: .init(
                name: name, size: size, diskChunks: contents.diskChunks, memoryChunks: contents.memoryChunks,
                compression: compression),
            statistics: contents.statistics)
    }
}

/// Compressors that are reused for one blob after another. A new one for each blob would have to clear its memory (ten
/// to some hundred megabytes) each time, and the allocator would keep that memory for each thread.
private final class CompressorPool: Sendable {
    private let options: OverlayOptions
    private let idle = Mutex<[Idle]>([])

    /// `@unchecked Sendable`: nothing uses the compressor until one thread takes it from the pool.
    private final class Idle: @unchecked Sendable {
        var compressor: Compressor?

        init(_ compressor: consuming Compressor) { self.compressor = consume compressor }
    }

    init(_ options: OverlayOptions) { self.options = options }

    /// Calls `body` with a compressor at the start of a blob. A compressor is not reused after an error.
    func lend<Value>(
        _ body: (inout Compressor) throws(CloudletError) -> Value
    ) throws(CloudletError) -> Value {
        let lent = idle.withLock { $0.popLast() }
        var compressor: Compressor
        if let kept = lent?.compressor.take() {
            compressor = kept
            try compressor.restart()
        } else {
            compressor = try Compressor(options.compression, blobBytes: options.blobBytes)
        }
        let value = try body(&compressor)
        let back = Idle(compressor)
        idle.withLock { $0.append(back) }
        return value
    }
}
