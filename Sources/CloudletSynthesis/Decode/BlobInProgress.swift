import CloudletCompression
import CloudletCore
import CloudletOverlay
import CloudletSystem

/// A blob that is being decoded: its decompressor, what takes the output, and the permit for a large window where it has
/// one.
struct BlobInProgress: ~Copyable {
    private let blob: OverlayMeta.Blob
    // Freed before the permit is given back.
    private var decoder: Decompressor
    private var permit: LargeWindow.Permit?
    private var output: Output
    private var taken = 0
    private var isLarge = false

    /// Where the output goes.
    private struct Output {
        var applier: BlobApplier
        var produced = 0
    }

    /// Begins a blob, with the decompressor of the one before where it can be used again.
    init(
        _ blob: OverlayMeta.Blob, _ applier: BlobApplier, reusing former: inout Decompressor?
    ) throws(CloudletError) {
        self.blob = blob
        output = Output(applier: applier)
        decoder = try Decompressor.ready(for: blob.compression, reusing: former.take())
    }

    /// Decodes `input` up to where the decompressor is about to use more memory than it may.
    /// - Returns: how many bytes were taken.
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

    /// Waits until the decompressor may use as much memory as it likes; only for a blob of which all bytes are here.
    mutating func takePermit() async throws(CloudletError) {
        if permit == nil { permit = try await LargeWindow.permit() }
    }

    /// Ends the blob, which must be complete, and leaves the decompressor for the next one where that pays.
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

    /// How much may go in before the memory is looked at: a byte of input can become ten thousand and more.
    private var step: Int {
        if permit != nil { return .max >> 1 }
        return isLarge || taken < LargeWindow.headBytes ? 64 : 4 << 10
    }

    private mutating func notice(_ memoryBytes: Int) throws(CloudletError) {
        guard !isLarge, memoryBytes > LargeWindow.smallBytes else { return }
        // No encoder does this; by now more than what waits cheaply for a permit may be in use.
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
