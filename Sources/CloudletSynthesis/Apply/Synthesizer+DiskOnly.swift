import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import SystemPackage

extension Synthesizer {
    /// Rebuilds the disk of a VM whose overlay brings no memory, and boots it on the base's machine.
    func boot<Source: AsyncSequence & Sendable>(
        _ meta: OverlayMeta, on base: OpenBase, from source: Source, _ options: Options, times: StageTimes,
        progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> RunningVM where Source.Element == BlobPiece {
        let work = try WorkDirectory(on: hypervisor)
        var cleanup = VMCleanup(work)
        do throws(CloudletError) {
            let disk = try await rebuildDisk(meta, base, work, source, times, progress)
            let memory = try SharedMemory(named: "cloudlet-ram", size: base.machine.memoryBytes)
            let resources = VMResources(
                name: work.vmName, disk: disk, diskFormat: .qcow2, memoryPath: memory.path, waitsForState: false,
                display: options.display, outboundNetwork: options.outboundNetwork)
            progress(.resuming)
            let machine = try await times.measure(.startEmulator) { () async throws(CloudletError) in
                try await hypervisor.start(base.machine, resources, paused: true)
            }
            cleanup.started(machine)
            let forwards = try await machine.watched(
                within: Self.resumeLimit + Self.bootTime + options.readiness
            ) { () async throws(CloudletError) in try await boot(machine, meta, options, times) }
            let description = VMDescription(
                machine: base.machine, forwards: meta.forwards, readyPort: meta.readyPort)
            return RunningVM(
                machine: machine, forwards: forwards, description: description, disk: disk, memory: memory,
                refresh: .booted, work: work)
        } catch {
            await cleanup.run()
            throw error
        }
    }

    /// Opens the forwards and lets the VM boot.
    private func boot(
        _ machine: VirtualMachine, _ meta: OverlayMeta, _ options: Options, _ times: StageTimes
    ) async throws(CloudletError) -> [ActiveForward] {
        let forwards = try await machine.addForwards(
            try options.permitted(options.forwards ?? meta.forwards), on: options.forwardAddress,
            movingTaken: options.moveTakenForwards, wayOut: options.takenPortWayOut)
        _ = try await machine.run(
            stage: .beginToBoot, readyOn: meta.readyPort, forwards, within: options.readiness + Self.bootTime, times)
        return forwards
    }

    /// What a guest may take to boot, beside what its application may take to answer.
    private static let bootTime = Duration.seconds(120)

    private func rebuildDisk<Source: AsyncSequence & Sendable>(
        _ meta: OverlayMeta, _ base: OpenBase, _ work: WorkDirectory, _ source: Source, _ times: StageTimes,
        _ progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> FilePath where Source.Element == BlobPiece {
        let disk = try QCOW2Image(
            work.file("disk.qcow2"), backing: base.record.files.disk, size: base.record.diskBytes)
        let decoding = BlobDecoding(
            meta: meta,
            geometry: OverlayGeometry(
                disk: meta.diskSize, memory: 0, baseDisk: base.images.diskSize, baseMemory: base.images.memorySize),
            base: base.images, targets: PageTargets(memory: NoPages(), disk: disk), scratch: work.path)
        try await times.measure(.receiveAndPlace) { () async throws(CloudletError) in
            _ = try await decoding.run(source) { progress(.received(bytes: $0)) }
        }
        try await times.measure(.finishDisk) { () async throws(CloudletError) in try disk.finish() }
        return disk.path
    }
}

/// Stands for an image of no bytes: the reader refuses every item for it.
struct NoPages: PageTarget {
    func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError) { throw Self.refusal }

    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) { throw Self.refusal }

    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) { throw Self.refusal }

    private static let refusal = CloudletError(.defect, "a page of an image that does not exist")
}
