// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import SystemPackage

/// The images of a customised VM that has ended.
struct EndedVM: Sendable {
    /// The two parts of the memory snapshot.
    struct Memory: Sendable {
        let ram: File
        /// The part of the snapshot behind the RAM.
        let tail: File
        let snapshotBytes: Int
        /// The guest's own support for being resumed (clock, random numbers).
        let guest: GuestSupport
    }

    /// The VM's disk, a qcow2 image over the base's.
    let disk: FilePath
    /// `nil` for a disk-only overlay.
    let memory: Memory?

    /// Saves a running VM and ends it. Its files are kept for the overlay.
    /// - Parameters:
    ///   - running: the VM.
    ///   - base: the base VM that it runs on.
    ///   - options: the forwards and the port saved with it, and whether its memory is saved.
    ///   - times: records the stages.
    /// - Returns: the images of the VM.
    /// - Throws: `CloudletError` when it can't be saved, or its guest does not shut down.
    static func end(
        _ running: RunningVM, on base: OpenBase, _ options: OverlayOptions, _ times: StageTimes
    ) async throws(CloudletError) -> EndedVM {
        let memory = options.diskOnly ? nil : try await save(running, base, options, times)
        if options.diskOnly { try await shutDown(running, times) }
        try await times.measure(.endVM) { () async throws(CloudletError) in try await running.machine.destroy() }
        return EndedVM(disk: running.disk, memory: memory)
    }

    private static func save(
        _ running: RunningVM, _ base: OpenBase, _ options: OverlayOptions, _ times: StageTimes
    ) async throws(CloudletError) -> Memory {
        guard await running.machine.isActive else {
            throw CloudletError(.unavailable, "the VM has ended, and its memory with it: there is nothing to save")
        }
        var description = running.description
        description.forwards = options.forwards
        description.readyPort = options.readyPort
        description.guest = await running.machine.guestSupport(within: VirtualMachine.agentLimit)
        description.timekeeping = await running.machine.timekeeping(description.guest)
        return try await times.measure(.saveState) { [description] () async throws(CloudletError) in
            try await running.machine.pause()
            return try await saveTail(running, base, description)
        }
    }

    /// Writes description, device state and footer, the part of the new snapshot behind its RAM. The file is in memory,
    /// so that a full disk can't make it fail after the user's work in the guest is done.
    private static func saveTail(
        _ running: RunningVM, _ base: OpenBase, _ description: VMDescription
    ) async throws(CloudletError) -> Memory {
        let state = try await running.machine.saveState()
        let file = try SharedMemory(named: "cloudlet-tail", size: 0).file
        let layout = try SnapshotFile.writeTail(
            description, state: state, emulator: base.snapshot.layout.emulator, to: file, at: running.memory.size)
        return Memory(ram: running.memory.file, tail: file, snapshotBytes: layout.fileBytes, guest: description.guest)
    }

    /// Shuts the guest down, because a disk saved without its memory must have been unmounted by the guest.
    private static func shutDown(_ running: RunningVM, _ times: StageTimes) async throws(CloudletError) {
        let done = try await times.measure(.shutDown) { () async throws(CloudletError) in
            try await running.machine.shutDown()
        }
        guard done else {
            throw CloudletError(
                .unavailable, "the guest did not shut down within a minute after it was asked to",
                advice: "make the guest react to the power button (acpid, systemd-logind), or save its memory too")
        }
    }

    /// The images, with the ranges in which they may differ from the base's.
    func images(on base: OpenBase) async throws(CloudletError) -> CustomisedImages {
        var changed: ChangedImage?
        if let memory {
            let ram = try ChangedImage.file(memory.ram, base: base.snapshot.file, as: .memory)
            changed = ChangedImage(
                .memory, size: memory.snapshotBytes,
                extents: ram.extents + [
                    .init(try memory.ram.size()..<memory.snapshotBytes, .file(memory.tail, offset: 0))
                ])
        }
        return CustomisedImages(
            memory: changed, disk: try await ImageMap.changes(in: disk, size: base.record.diskBytes),
            guest: memory?.guest)
    }
}
