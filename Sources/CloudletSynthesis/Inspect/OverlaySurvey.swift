// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
package import CloudletCore
package import CloudletOverlay
import CloudletSystem

/// Reads every item of every blob of an overlay without its base, and counts them.
package enum OverlaySurvey {
    /// Reads all blobs, several at a time.
    /// - Parameters:
    ///   - overlay: the overlay.
    ///   - progress: receives how much of the overlay is read.
    /// - Returns: the counts of the whole overlay and of each blob, in the order of the meta.
    /// - Throws: `CloudletError.badData` with blob, item and byte when the overlay is damaged.
    package static func survey(
        _ overlay: OverlaySource, progress: (WorkProgress) -> Void = { _ in }
    ) async throws(CloudletError) -> (total: BlobSurvey.Findings, blobs: [BlobSurvey.Findings]) {
        let meta = overlay.meta
        let geometry = OverlayGeometry(disk: meta.diskSize, memory: meta.memorySize, baseDisk: nil, baseMemory: nil)
        var total = BlobSurvey.Findings()
        var blobs: [BlobSurvey.Findings] = []
        var done = 0
        // Decoding a blob of the original needs a window of 64 MiB.
        let atOnce = WorkerPool.shared.unitsAtOnce(takingBytes: 64 << 20, within: 192 << 20)
        try await mapInOrder(meta.blobs.indices, atOnce: atOnce) { (index) throws(CloudletError) in
            try survey(meta.blobs[index], try overlay.open(index), geometry)
        } consume: { (findings) throws(CloudletError) in
            done += meta.blobs[blobs.count].size
            blobs.append(findings)
            total.add(findings)
            progress(.reading(Double(done) / Double(max(1, meta.totalBlobBytes))))
        }
        return (total, blobs)
    }

    private static func survey(
        _ blob: OverlayMeta.Blob, _ bytes: OverlaySource.BlobFile, _ geometry: OverlayGeometry
    ) throws(CloudletError) -> BlobSurvey.Findings {
        var survey = BlobSurvey(blob, geometry: geometry)
        do throws(CloudletError) {
            var decompressor = try Decompressor(blob.compression)
            for range in pieces(of: 0..<blob.size, length: 256 << 10) {
                if Task.isCancelled { throw CloudletError(.interrupted, "interrupted") }
                let piece = try bytes.read(range)
                try decompressor.decode(piece.span) { (output) throws(CloudletError) in try survey.read(output) }
            }
            try decompressor.finish()
        } catch {
            throw error.located(in: blob)
        }
        return try survey.finish()
    }
}
