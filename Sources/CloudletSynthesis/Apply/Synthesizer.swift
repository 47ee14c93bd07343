package import CloudletCore
package import CloudletHypervisor
package import CloudletOverlay
import CloudletStore
import CloudletSystem
import SystemPackage

/// VM synthesis: rebuilds a customised VM from a base and an overlay that arrives, and resumes it.
///
/// While blobs come in, are decoded and placed, the base's RAM is copied (without the pages the overlay brings) and
/// an emulator starts and waits. When the last page is there, the device state is loaded and the VM runs on. A VM whose
/// overlay brings no memory boots when its disk is complete.
package struct Synthesizer: Sendable {
    let hypervisor: Hypervisor

    /// How a VM is resumed.
    package struct Options: Sendable {
        /// Address of the host on which the forwards listen.
        package var forwardAddress = "127.0.0.1"
        /// Forwards instead of those stored in the overlay.
        package var forwards: [PortForward]?
        /// Whether a forward whose host port is taken is opened on a free one.
        package var moveTakenForwards = false
        /// What the user can do when a port is taken, beside freeing it.
        package var takenPortWayOut: String?
        /// Whether a guest may have a port of the host.
        package var mayOpen: @Sendable (PortForward) -> Bool = { _ in true }
        /// Whether there is a VNC display.
        package var display = false
        /// Whether the guest may reach other hosts.
        package var outboundNetwork = false
        /// How long the application may take to answer on the overlay's readiness port, when it names one.
        package var readiness = Duration.seconds(30)

        /// The forwards of the overlay on the loopback address.
        package init() {}
    }

    /// Uses this hypervisor.
    package init(hypervisor: Hypervisor) {
        self.hypervisor = hypervisor
    }

    /// Refuses an overlay with forwards that can't work with these options.
    package static func requireForwards(_ meta: OverlayMeta, _ options: Options) throws(CloudletError) {
        try VMResources.requireAnswers(
            options.forwards ?? meta.forwards, outboundNetwork: options.outboundNetwork)
    }

    /// Refuses an overlay that was not cut from this base, or whose sizes don't fit it.
    package static func requireMatch(_ meta: OverlayMeta, _ base: OpenBase) throws(CloudletError) {
        try requireMatch(meta, base.record, base.machine)
    }

    /// The same for a base that need not be registered.
    static func requireMatch(
        _ meta: OverlayMeta, _ base: BaseVM, _ machine: MachineDescription
    ) throws(CloudletError) {
        // The original's words for it.
        guard !meta.blobs.isEmpty else {
            throw CloudletError(.badData, "No matching Base VM: the overlay names no blobs")
        }
        guard meta.baseHash == base.hash else {
            throw CloudletError(
                .badData, "the overlay needs base VM \(meta.baseHash.short), not \(base.hash.short)",
                advice: "use the base VM it was made from")
        }
        if let wanted = meta.baseMemoryHash, wanted != base.memoryHash {
            throw CloudletError(
                .badData,
                "the overlay was made from the same disk but from another memory snapshot "
                    + "(\(wanted.short), not \(base.memoryHash.short))",
                advice: "copy the base VM's files from where the overlay was made")
        }
        guard meta.diskSize == base.diskBytes else {
            throw CloudletError(
                .badData, "the overlay makes a disk of \(meta.diskSize) bytes, the base has \(base.diskBytes)")
        }
        let smallest = machine.memoryBytes + SnapshotLayout.descriptionArea + Page.size
        guard meta.isDiskOnly || meta.memorySize >= smallest, meta.memorySize <= smallest + SnapshotLayout.maximumState,
            meta.memorySize % Page.size == 0
        else {
            throw CloudletError(
                .badData, "a memory snapshot of \(meta.memorySize) bytes does not fit the base VM's machine",
                advice: "the overlay is of another program, or damaged")
        }
    }

    /// Rebuilds and resumes the VM.
    /// - Parameters:
    ///   - meta: the overlay's meta.
    ///   - base: the base VM it needs.
    ///   - source: the blobs as they arrive.
    ///   - options: forwards, display, network.
    ///   - prepared: a VM that waits for an overlay of this base, made with these options; it is used up, also when the
    ///     synthesis fails.
    ///   - times: notes the stages.
    ///   - progress: receives how far the work is.
    /// - Returns: the VM, which runs.
    /// - Throws: `CloudletError` with the reason; nothing is left behind then.
    package func synthesize<Source: AsyncSequence & Sendable>(
        _ meta: OverlayMeta, on base: OpenBase, from source: Source, _ options: Options,
        using prepared: WarmVM? = nil, times: StageTimes,
        progress: @escaping @Sendable (SynthesisProgress) -> Void = { _ in }
    ) async throws(CloudletError) -> RunningVM where Source.Element == BlobPiece {
        if meta.isDiskOnly {
            try await prepared?.discard()
            try Self.requireMatch(meta, base)
            return try await boot(meta, on: base, from: source, options, times: times, progress: progress)
        }
        let work = if let prepared { prepared.work } else { try WorkDirectory(on: hypervisor) }
        var cleanup = VMCleanup(work)
        if let prepared { cleanup.started(prepared.machine) }
        do throws(CloudletError) {
            try Self.requireMatch(meta, base)
            let rebuild: Rebuild
            let machine: VirtualMachine
            if let prepared {
                rebuild = try Rebuild(meta, prepared)
                machine = prepared.machine
                try await rebuild.run(source, times: times) { progress(.received(bytes: $0)) }
            } else {
                let images = try VMImages(base, in: work.path)
                rebuild = try Rebuild(meta, base, images)
                machine = try await start(images, rebuild, work, source, options, times, progress)
                cleanup.started(machine)
            }
            progress(.resuming)
            return try await machine.watched(within: Self.resumeLimit + options.readiness) {
                () async throws(CloudletError) in
                try await resume(rebuild, work, machine, options, times)
            }
        } catch {
            await cleanup.run()
            throw error
        }
    }

    /// Receives and places the overlay, copies the base's RAM and starts the emulator, all at the same time.
    private func start<Source: AsyncSequence & Sendable>(
        _ images: VMImages, _ rebuild: Rebuild, _ work: WorkDirectory, _ source: Source, _ options: Options,
        _ times: StageTimes,
        _ progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> VirtualMachine where Source.Element == BlobPiece {
        async let waiting = times.measure(.startEmulator) { () async throws(CloudletError) -> VirtualMachine in
            try await hypervisor.start(rebuild.base.machine, waitingVM(images, work, options))
        }
        do {
            try await rebuild.run(source, times: times) { progress(.received(bytes: $0)) }
            return try await waiting
        } catch {
            // The emulator may still be starting: it must be there before it can be ended.
            if let machine = try? await waiting { try? await machine.destroy() }
            throw .wrapping(error, .defect, "synthesis failed")
        }
    }

    /// How long an emulator may take to bring a VM up, beside what its application may take to answer.
    static let resumeLimit = Duration.seconds(120)

    /// Completes the disk's tables, loads the device state and lets the VM run.
    private func resume(
        _ rebuild: Rebuild, _ work: WorkDirectory, _ machine: VirtualMachine, _ options: Options, _ times: StageTimes
    ) async throws(CloudletError) -> RunningVM {
        try await times.measure(.finishDisk) { () async throws(CloudletError) in try rebuild.disk.finish() }
        let snapshot = try rebuild.rebuiltSnapshot()
        let forwards = try await machine.load(
            snapshot, opening: try options.permitted(options.forwards ?? snapshot.description.forwards),
            on: options.forwardAddress, movingTaken: options.moveTakenForwards, wayOut: options.takenPortWayOut,
            times: times)
        let refresh = try await machine.run(
            stage: .resume, readyOn: rebuild.meta.readyPort, forwards, within: options.readiness, times,
            refreshing: snapshot.description.guest)
        return RunningVM(
            machine: machine, forwards: forwards, description: snapshot.description, disk: rebuild.disk.path,
            memory: rebuild.memory, refresh: refresh, work: work)
    }
}
