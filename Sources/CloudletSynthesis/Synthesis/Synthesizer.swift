package import CloudletCore
package import CloudletHypervisor
package import CloudletOverlay
import CloudletSystem

/// VM synthesis: rebuilds a customised VM from a base and an overlay that arrives, and resumes it.
///
/// While blobs come in, are decoded and placed, the base's RAM is copied (without the pages the overlay brings) and
/// an emulator starts and waits. When the last page is there, the device state is loaded and the VM runs on. A VM whose
/// overlay brings no memory boots when its disk is complete.
package struct Synthesizer: Sendable {
    /// What runs the VMs.
    package let hypervisor: Hypervisor

    /// Uses this hypervisor.
    package init(hypervisor: Hypervisor) {
        self.hypervisor = hypervisor
    }

    /// Rebuilds and resumes the VM.
    /// - Parameters:
    ///   - meta: the overlay's meta.
    ///   - base: the base VM it needs.
    ///   - source: the blobs as they arrive.
    ///   - options: forwards, display, network.
    ///   - warm: a VM that waits for an overlay of this base, made with the same display and network; it is used up, also when
    ///     the synthesis fails.
    ///   - times: notes the stages.
    ///   - progress: receives how far the work is.
    /// - Returns: the VM, which runs.
    /// - Throws: `CloudletError` with the reason; nothing is left behind then.
    package func synthesize<Source: AsyncSequence & Sendable>(
        _ meta: OverlayMeta, on base: OpenBase, from source: Source, _ options: VMOptions,
        using warm: WarmVM? = nil, times: StageTimes,
        progress: @escaping @Sendable (SynthesisProgress) -> Void = { _ in }
    ) async throws(CloudletError) -> RunningVM where Source.Element == BlobPiece {
        // An overlay of the disk alone boots its VM, which a VM that waits for a state can't do. The next holder of the
        // hypervisor's directory removes what can't be removed now.
        if meta.isDiskOnly { try? await warm?.discard() }
        let warm = meta.isDiskOnly ? nil : warm
        let launch = if let warm { warm.launch } else { try VMLaunch(base.machine, on: hypervisor) }
        return try await launch.complete { () async throws(CloudletError) in
            try Self.requireMatch(meta, base)
            let layer = if let warm { warm.layer } else { try launch.layer(over: base) }
            if meta.isDiskOnly {
                return try await boot(launch, layer, meta, on: base, from: source, options, times, progress)
            }
            let rebuild = try Rebuild(
                meta, base, memory: launch.memory, disk: layer, in: launch.directory, isFilled: warm != nil)
            _ = try await concurrently(
                { () async throws(CloudletError) in
                    try await rebuild.run(source, times: times, progress: progress)
                },
                { () async throws(CloudletError) in
                    guard warm == nil else { return }
                    try await launch.startEmulator(on: .layer(layer), waitingForState: true, options, times)
                })
            progress(.resuming)
            try await times.measure(.finishDisk) { () async throws(CloudletError) in try layer.finish() }
            let guest = VMLaunch.Guest(from: try rebuild.rebuiltSnapshot(), readyPort: meta.readyPort)
            return try await launch.run(guest, options, times)
        }
    }
}
