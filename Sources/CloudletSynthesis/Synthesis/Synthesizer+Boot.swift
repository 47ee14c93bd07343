// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletSystem
import SystemPackage

/// VMs that boot from their rebuilt disks: their overlay contains no memory, or its state can't be resumed here.
extension Synthesizer {
    /// Rebuilds the disk of a VM and boots it.
    func boot<Source: AsyncSequence & Sendable>(
        _ work: Work, from source: Source, _ start: SynthesisStart
    ) async throws(CloudletError) -> RunningVM where Source.Element == BlobPiece {
        let launch = try VMLaunch(start.substitute?.machine ?? work.base.machine, on: hypervisor)
        return try await launch.complete { () async throws(CloudletError) in
            try Self.requireMatch(work.meta, work.base)
            let layer = try launch.layer(over: work.base)
            try await rebuildDisk(layer, of: launch, work, from: source)
            work.progress(.resuming)
            return try await boot(launch, work, because: start.substitute?.reason, completeCPU: !start.allowsBoot)
        }
    }

    /// Boots the complete disk of a VM whose state this host could not load, on a launch of its own.
    /// - Parameters:
    ///   - failed: the launch whose emulator did not load the state. Its guest has executed nothing.
    ///   - layer: the complete disk.
    ///   - written: the status of the disk when it was complete.
    ///   - work: the synthesis.
    ///   - error: why the state could not be loaded.
    /// - Returns: the VM, which runs.
    /// - Throws: `error` when the emulator has changed the disk, or the reason why the VM can't boot.
    func boot(
        insteadOf failed: VMLaunch, _ layer: QCOW2Image, _ written: FileStatus, _ work: Work,
        because error: CloudletError
    ) async throws(CloudletError) -> RunningVM {
        try await failed.endEmulator()
        // QEMU opens a disk for writing only when it has loaded the state. A disk that was changed all the same is not
        // the one that the overlay describes.
        guard try layer.status().isUnchanged(since: written) else { throw error }
        let support = try await hypervisor.support(of: work.base.machine)
        let launch = try VMLaunch(
            SynthesisStart(support, allowingBoot: true).substitute?.machine ?? work.base.machine, on: hypervisor)
        return try await launch.complete { () async throws(CloudletError) in
            try FileSystem.move(layer.path, to: launch.layerPath)
            try await failed.tearDown()
            return try await boot(launch, work, because: error, completeCPU: false)
        }
    }

    /// Boots a VM whose disk is complete.
    private func boot(
        _ launch: VMLaunch, _ work: Work, because reason: CloudletError?, completeCPU: Bool
    ) async throws(CloudletError) -> RunningVM {
        try await launch.startEmulator(
            on: .layer(launch.layerPath), waitingForState: false, completeCPU: completeCPU, work.options, work.times)
        let missing = if completeCPU { CloudletError?.none } else { try await launch.machine.refusalOfCPU() }
        let cause = (reason ?? missing).map { error in
            // Missing CPU features can be the reason.
            let features = missing.map(\.message).flatMap { $0 == error.message ? nil : $0 }
            return BootCause(
                error: error,
                differences: launch.description.differences(from: work.base.machine) + [features].compactMap { $0 },
                applicationAnswered: work.meta.readyPort != nil)
        }
        let description = VMDescription(
            machine: launch.description, forwards: work.meta.forwards, readyPort: work.meta.readyPort)
        return try await launch.run(.init(booting: description, because: cause), work.options, work.times)
    }

    /// Receives the overlay and places the pages of its disk. Pages of the disk can be copies of memory pages in the
    /// same blob, so memory pages that come with pages of the disk are placed too, in the memory of the VM. It is empty
    /// again when the VM boots.
    private func rebuildDisk<Source: AsyncSequence & Sendable>(
        _ layer: QCOW2Image, of launch: VMLaunch, _ work: Work, from source: Source
    ) async throws(CloudletError) where Source.Element == BlobPiece {
        let (meta, base) = (work.meta, work.base)
        let tail = launch.directory.appending("tail")
        let memory = SnapshotTarget(
            memory: launch.memory, tail: try File(tail, .create(permissions: 0o600)), isFilled: false)
        let geometry = OverlayGeometry(
            disk: meta.diskSize, memory: meta.memorySize, baseDisk: base.images.diskSize,
            baseMemory: base.images.memorySize)
        let decoding = BlobDecoding(
            meta: meta, geometry: geometry, base: base.images, targets: PageTargets(memory: memory, disk: layer),
            scratch: launch.directory, unneeded: meta.memoryBlobs)
        try await work.times.measure(.receiveAndPlace) { () async throws(CloudletError) in
            _ = try await decoding.run(source, progress: work.progress)
        }
        try await work.times.measure(.finishDisk) { () async throws(CloudletError) in try layer.finish() }
        try launch.memory.clear(0..<launch.memory.size)
        try FileSystem.remove(tail)
    }
}
