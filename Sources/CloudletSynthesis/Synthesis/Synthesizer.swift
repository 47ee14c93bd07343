// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
package import CloudletOverlay
import CloudletSystem

/// VM synthesis: rebuilds a customised VM from a base and an overlay that arrives, and resumes it.
///
/// While blobs come in, are decoded and placed, the base's RAM is copied (without the pages the overlay brings) and
/// an emulator starts and waits. When the last page is there, the device state is loaded and the VM runs on. A VM whose
/// overlay brings no memory, or whose state can't be resumed here although it may boot, boots when its disk is complete.
package struct Synthesizer: Sendable {
    /// What runs the VMs.
    package let hypervisor: Hypervisor

    /// Uses this hypervisor.
    package init(hypervisor: Hypervisor) {
        self.hypervisor = hypervisor
    }

    /// What one synthesis works on.
    struct Work: Sendable {
        let meta: OverlayMeta
        let base: OpenBase
        let options: VMOptions
        let times: StageTimes
        let progress: @Sendable (SynthesisProgress) -> Void
    }

    /// Rebuilds the VM, and resumes or boots it.
    /// - Parameters:
    ///   - meta: the overlay's meta.
    ///   - base: the base VM it needs.
    ///   - source: the blobs as they arrive. If the VM boots, those that contain memory alone need not arrive.
    ///   - options: forwards, display, network.
    ///   - start: whether a VM with a saved memory is resumed or boots.
    ///   - warm: a VM that waits for an overlay of this base, made with the same display and network; it is used up, also when
    ///     the synthesis fails.
    ///   - times: notes the stages.
    ///   - progress: receives how far the work is.
    /// - Returns: the VM, which runs.
    /// - Throws: `CloudletError` with the reason; nothing is left behind then.
    package func synthesize<Source: AsyncSequence & Sendable>(
        _ meta: OverlayMeta, on base: OpenBase, from source: Source, _ options: VMOptions,
        start: SynthesisStart = .resume, using warm: WarmVM? = nil, times: StageTimes,
        progress: @escaping @Sendable (SynthesisProgress) -> Void = { _ in }
    ) async throws(CloudletError) -> RunningVM where Source.Element == BlobPiece {
        let work = Work(meta: meta, base: base, options: options, times: times, progress: progress)
        guard meta.isDiskOnly || start.substitute != nil else {
            return try await resume(work, from: source, start, using: warm)
        }
        // A VM that waits for a state can't boot. The next holder of the hypervisor's directory removes what can't be
        // removed now.
        try? await warm?.discard()
        return try await boot(work, from: source, start)
    }

    private func resume<Source: AsyncSequence & Sendable>(
        _ work: Work, from source: Source, _ start: SynthesisStart, using warm: WarmVM?
    ) async throws(CloudletError) -> RunningVM where Source.Element == BlobPiece {
        let launch = if let warm { warm.launch } else { try VMLaunch(work.base.machine, on: hypervisor) }
        return try await launch.complete { () async throws(CloudletError) in
            try Self.requireMatch(work.meta, work.base)
            let layer = if let warm { warm.layer } else { try launch.layer(over: work.base) }
            let rebuild = try Rebuild(
                work.meta, work.base, memory: launch.memory, disk: layer, in: launch.directory, isFilled: warm != nil)
            let (_, refusal) = try await concurrently(
                { () async throws(CloudletError) in
                    try await rebuild.run(source, times: work.times, progress: work.progress)
                },
                { () async throws(CloudletError) -> CloudletError? in
                    guard warm == nil else { return nil }
                    return try await startWaiting(launch, layer, work, mayFail: start.allowsBoot)
                })
            work.progress(.resuming)
            try await work.times.measure(.finishDisk) { () async throws(CloudletError) in try layer.finish() }
            let written = try layer.status()
            let guest = VMLaunch.Guest(from: try rebuild.rebuiltSnapshot(), readyPort: work.meta.readyPort)
            do throws(CloudletError) {
                if let refusal { throw refusal }
                return try await launch.run(guest, work.options, work.times)
            } catch {
                guard start.allowsBoot, Self.isOfHost(error), !launch.hasRun, !Task.isCancelled else { throw error }
                return try await boot(insteadOf: launch, layer, written, work, because: error)
            }
        }
    }

    /// Starts the emulator that waits for the state.
    /// - Returns: why this host can't run it, if that `mayFail`, so that the overlay is received all the same.
    private func startWaiting(
        _ launch: VMLaunch, _ layer: QCOW2Image, _ work: Work, mayFail: Bool
    ) async throws(CloudletError) -> CloudletError? {
        do throws(CloudletError) {
            try await launch.startEmulator(on: .layer(layer.path), waitingForState: true, work.options, work.times)
            return nil
        } catch {
            guard mayFail, Self.isOfHost(error) else { throw error }
            return error
        }
    }

    /// Whether an error may come from what this host's QEMU can't do: it refused the machine or the state, or ended.
    private static func isOfHost(_ error: CloudletError) -> Bool {
        // Writing to an emulator that has just ended fails with an error of the system.
        error.code == .unavailable || error.code == .system
    }
}
