import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem

extension Synthesizer {
    /// Rebuilds the disk of a VM whose overlay contains no memory, and boots it on the base's virtual hardware.
    func boot<Source: AsyncSequence & Sendable>(
        _ launch: VMLaunch, _ layer: QCOW2Image, _ meta: OverlayMeta, on base: OpenBase, from source: Source,
        _ options: VMOptions, _ times: StageTimes, _ progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> RunningVM where Source.Element == BlobPiece {
        let geometry = OverlayGeometry(
            disk: meta.diskSize, memory: 0, baseDisk: base.images.diskSize, baseMemory: base.images.memorySize)
        let decoding = BlobDecoding(
            meta: meta, geometry: geometry, base: base.images, targets: PageTargets(memory: NoPages(), disk: layer),
            scratch: launch.directory)
        try await times.measure(.receiveAndPlace) { () async throws(CloudletError) in
            _ = try await decoding.run(source, progress: progress)
        }
        try await times.measure(.finishDisk) { () async throws(CloudletError) in try layer.finish() }
        progress(.resuming)
        try await launch.startEmulator(on: .layer(layer), waitingForState: false, options, times)
        let description = VMDescription(machine: base.machine, forwards: meta.forwards, readyPort: meta.readyPort)
        return try await launch.run(.init(booting: description), options, times)
    }
}

/// An image of no bytes. The reader of the overlay refuses every item for it.
struct NoPages: PageTarget {
    func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError) { throw Self.refusal }

    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) { throw Self.refusal }

    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) { throw Self.refusal }

    private static let refusal = CloudletError(.defect, "a page of an image that does not exist")
}
