// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem
import SystemPackage

/// The memory and device state of a VM that was set up and has ended; a base VM is made from them.
struct SavedVM: Sendable {
    let memory: SharedMemory
    let state: [UInt8]
    let description: VMDescription
    let emulator: String

    /// Finds out what the guest's agent supports, pauses the VM and saves its device state.
    /// - Parameters:
    ///   - running: the VM.
    ///   - limit: how long to wait for the agent's first answer.
    ///   - times: records the stages.
    ///   - progress: receives the steps.
    /// - Returns: what was saved.
    /// - Throws: `CloudletError` when the VM can't be paused, or its state can't be saved.
    static func save(
        _ running: RunningVM, waitingForAgent limit: Duration, _ times: StageTimes,
        _ progress: @Sendable (WorkProgress) -> Void
    ) async throws(CloudletError) -> SavedVM {
        progress(.awaitingAgent)
        let guest = await running.machine.guestSupport(within: limit)
        progress(.savingMemory)
        var description = VMDescription(machine: running.machine.machine, guest: guest)
        description.timekeeping = await running.machine.timekeeping(description.guest)
        return try await times.measure(.saveState) { [description] () async throws(CloudletError) in
            try await running.machine.pause()
            return SavedVM(
                memory: running.memory, state: try await running.machine.saveState(), description: description,
                emulator: try await running.machine.emulatorVersion())
        }
    }

    /// Keeps the snapshot in a directory with enough space, because its files could not be written beside the disk.
    /// - Returns: the error to report, with the commands that make the base VM from the snapshot.
    func keep(
        for files: BaseFiles, in fallback: FallbackStorage, because error: CloudletError
    ) async throws(CloudletError) -> CloudletError {
        let name = files.memory.lastComponent?.string ?? "base-mem"
        let directory = try await fallback.fill { (directory) async throws(CloudletError) in
            let file = try File(directory.appending(name), .create(permissions: 0o600))
            try SnapshotFile.writeTail(description, state: state, emulator: emulator, to: file)
            try await MemoryCopy.copy(0..<memory.size, from: memory, to: file)
            try file.synchronize()
        }
        let kept = directory.appending(name)
        let steps = [
            Shell.command("cp", "--sparse=always", kept.string, files.memory.string),
            Shell.command("cloudlet", "add-base", files.disk.string), Shell.command("rm", "-r", directory.string),
        ]
        let discarding = [
            Shell.command("rm", "-r", directory.string), Shell.command("chmod", "u+w", files.disk.string),
        ]
        let way =
            error.code == .interrupted
            ? "to discard it, run: \(discarding.joined(separator: " && ")); if the base VM is wanted"
            : error.firstAdvice ?? "fix this"
        return CloudletError(
            error.code, "no base VM was made of \(files.disk) yet; the memory of the VM is kept in \(kept)",
            advice: "\(way), leave the disk as it is; then run: " + steps.joined(separator: " && "), cause: error)
    }
}
