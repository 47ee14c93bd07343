// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletOverlay
import CloudletSystem

/// A blob that is being decoded: its decompressor, the consumer of the output, and the permit for a large window if it
/// needs one.
struct BlobInProgress: ~Copyable {
    private let blob: OverlayMeta.Blob
    // Declared before the permit, so that its memory is freed before the permit is released.
    private var decoder: Decompressor
    private var permit: LargeWindow.Permit?
    private var output: Output
    private var taken = 0
    private var isLarge = false

    /// The consumer of the output.
    private struct Output {
        var applier: BlobApplier
        var produced = 0
    }

    /// Begins a blob. Reuses the decompressor of the previous blob if possible.
    init(
        _ blob: OverlayMeta.Blob, _ applier: BlobApplier, reusing former: inout Decompressor?
    ) throws(CloudletError) {
        self.blob = blob
        output = Output(applier: applier)
        decoder = try Decompressor.ready(for: blob.compression, reusing: former.take())
    }

    /// Decodes `input`, but stops where the decompressor would use more memory than it may.
    /// - Returns: the number of bytes decoded.
    mutating func decode(_ input: Span<UInt8>) throws(CloudletError) -> Int {
        var done = 0
        while done < input.count, mayGoOn() {
            let part = done..<min(input.count, done + step)
            do throws(CloudletError) {
                try Self.decode(input.extracting(part), by: &decoder, into: &output)
            } catch {
                throw error.located(in: blob)
            }
            taken += part.count
            done = part.upperBound
            try notice(decoder.memoryBytes)
        }
        return done
    }

    /// Waits until the decompressor may use any amount of memory. Call it only for a blob that has arrived completely.
    mutating func takePermit() async throws(CloudletError) {
        if permit == nil { permit = try await LargeWindow.permit() }
    }

    /// Ends the blob, which must be complete. Leaves the decompressor for the next blob unless its window is large.
    consuming func finish(reusable former: inout Decompressor?) throws(CloudletError) -> OverlayStatistics {
        do throws(CloudletError) { try decoder.finish() } catch { throw error.located(in: blob) }
        try output.applier.finish()
        let statistics = output.applier.statistics
        if !isLarge { former = .some(consume decoder) }
        return statistics
    }

    private mutating func mayGoOn() -> Bool {
        if permit != nil || !isLarge || output.produced <= LargeWindow.freeBytes { return true }
        permit = LargeWindow.permitAtOnce()
        return permit != nil
    }

    /// Bytes of input between two checks of the memory. A byte of input can become more than ten thousand bytes.
    private var step: Int {
        if permit != nil { return .max >> 1 }
        return isLarge || taken < LargeWindow.headBytes ? 64 : 4 << 10
    }

    private mutating func notice(_ memoryBytes: Int) throws(CloudletError) {
        guard !isLarge, memoryBytes > LargeWindow.smallBytes else { return }
        // No encoder does this. The decompressor may already use more memory than is allowed without a permit.
        guard taken <= LargeWindow.headBytes else {
            throw CloudletError(
                .badData, "a later block needs more memory than the first", cause: CompressionError.damaged
            ).located(in: blob)
        }
        isLarge = true
    }

    private static func decode(
        _ input: Span<UInt8>, by decoder: inout Decompressor, into output: inout Output
    ) throws(CloudletError) {
        try decoder.decode(input) { (bytes) throws(CloudletError) in
            output.produced += bytes.count
            try output.applier.apply(bytes)
        }
    }
}
