// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Synchronization

/// How a VM ends: the guest shuts down, this program ends it, or it fails.
extension VirtualMachine {
    /// Ends the VM at once, even while an operation waits for an emulator that does not answer; the operation fails.
    package nonisolated func destroy() async throws(CloudletError) {
        isBeingEnded.store(true, ordering: .sequentiallyConsistent)
        try await domain.end()
    }

    /// Asks the guest to shut down, as pressing the power button does, and waits until it has ended.
    /// - Returns: whether it has ended within `limit`.
    /// - Throws: `CloudletError` when the VM can't be asked.
    package func shutDown(within limit: Duration = .seconds(60)) async throws(CloudletError) -> Bool {
        guard isActive else { return true }
        // For a sleeping guest, the power button only means to wake up.
        try await wakeUp()
        try command("system_powerdown", Nothing())
        return try await wait(within: limit) { () throws(CloudletError) in !isActive }
    }

    /// Waits until the VM has ended, by itself or by this program.
    /// - Returns: the reason when its emulator failed: it crashed, or the kernel or another process killed it. `nil`
    ///   when the guest was shut down, the VM was ended on purpose, or the task was cancelled.
    package nonisolated func waitForEnd() async -> CloudletError? {
        let end = await domain.connection.events.end(of: name) { await isActive }
        guard let end, !Task.isCancelled, !isBeingEnded.load(ordering: .sequentiallyConsistent) else { return nil }
        return await failure(isFailure: end.isFailure)
    }

    /// The error with QEMU's reason: its last messages if it ended because of the error, otherwise what its log says,
    /// warnings included. libvirt learns of the end a moment later than the caller that waits for an answer.
    package func explained(_ error: CloudletError) async -> CloudletError {
        guard !isBeingEnded.load(ordering: .sequentiallyConsistent) else { return error }
        let hasEnded = try? await wait(within: .milliseconds(500)) { () throws(CloudletError) in !isActive }
        guard !isBeingEnded.load(ordering: .sequentiallyConsistent) else { return error }
        if hasEnded == true, let failure = await failure(isFailure: true) {
            guard !error.description.contains(failure.message) else { return error }
            return CloudletError(
                error.code, failure.message, advice: failure.advice ?? error.advice, cause: error)
        }
        return quotingLog(error)
    }

    /// The error with what QEMU's log says, warnings included, if it says anything that is not in the error yet.
    nonisolated func quotingLog(_ error: CloudletError) -> CloudletError {
        guard let words = log.flatMap({ EmulatorLog.lastWords(in: $0, withWarnings: true) }),
            !error.description.contains(words)
        else { return error }
        return CloudletError(
            error.code, error.message, advice: error.advice,
            cause: CloudletError(.unavailable, "QEMU's log says: \(words)", cause: error.cause))
    }

    /// Why the emulator ended, if nothing in this program ended it.
    private func failure(isFailure: Bool) async -> CloudletError? {
        let end: ProcessEnd? =
            if let process { await ChildReaper.shared.end(of: process, within: .milliseconds(500)) } else { nil }
        return EmulatorFailure(
            end: end, isFailure: isFailure, memoryWasShort: shortage.isRecent,
            words: log.flatMap { EmulatorLog.lastWords(in: $0) }
        ).error
    }
}
