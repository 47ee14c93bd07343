// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem

/// Saving and loading device state through QEMU's migration code, without moving the RAM.
extension VirtualMachine {
    /// The device state of a paused VM. If the task is cancelled or QEMU does not answer, the VM is ended.
    package nonisolated func saveState() async throws(CloudletError) -> [UInt8] {
        try await watched(within: .seconds(120)) { () async throws(CloudletError) in try await takeState() }
    }

    private func takeState() async throws(CloudletError) -> [UInt8] {
        try command("migrate-set-capabilities", MigrationCapabilities.ignoreShared)
        try command("migrate-set-parameters", MigrationParameters.unbounded)
        let input = try passStream(Self.streamName)
        async let state = blocking { () throws(CloudletError) in
            try input.readToEnd(limit: SnapshotLayout.maximumState)
        }
        do throws(CloudletError) {
            try command("migrate", URIArgument(uri: "fd:\(Self.streamName)"))
            try await waitForMigration("saving the device state")
        } catch {
            // QEMU keeps its end of a stream that it does not use, and the reader would wait for its end.
            input.shutDown()
            throw await explained(error)
        }
        do { return try await state } catch { throw .wrapping(error, .io, "can't read the device state") }
    }

    /// Makes a VM that was started to wait for device state listen for it, so that nothing remains to be set up when
    /// the state arrives. If this process ends, the emulator sees the end of the stream and ends too.
    func listenForState() throws(CloudletError) {
        _ = try virtualCPUs()
        try command("migrate-set-capabilities", MigrationCapabilities.ignoreShared)
        try command("migrate-set-parameters", MigrationParameters.quiet)
        let stream = try passStream(Self.streamName)
        try command("migrate-incoming", URIArgument(uri: "fd:\(Self.streamName)"))
        stateStream = stream
    }

    /// Sends a waiting VM its device state. Its RAM must be complete. The VM is paused afterwards.
    package func loadState(of snapshot: SnapshotFile) async throws(CloudletError) {
        try await loadState { (stream) throws(CloudletError) in
            try snapshot.forEachPieceOfState { (piece) throws(CloudletError) in try stream.writeAll(piece) }
        }
    }

    /// Sends a waiting VM the device state that `write` writes.
    func loadState(
        _ write: @escaping @Sendable (File) throws(CloudletError) -> Void
    ) async throws(CloudletError) {
        try await send(write)
        try await waitForMigration("loading the device state")
    }

    /// Sends what `write` writes. Only this function holds the stream and closes it at its end, so that the emulator
    /// does not wait for more data if the state is truncated.
    private func send(
        _ write: @escaping @Sendable (File) throws(CloudletError) -> Void
    ) async throws(CloudletError) {
        guard let stream = stateStream.take() else {
            throw CloudletError(.defect, "VM \(name) does not wait for device state")
        }
        do throws(CloudletError) {
            try await blocking { () throws(CloudletError) in try write(stream) }
        } catch {
            throw await explained(error)
        }
    }

    private func waitForMigration(_ what: String) async throws(CloudletError) {
        var failure: CloudletError?
        let done = try await domain.connection.events.wait(for: name, within: Self.migrationLimit) { event in
            event == .migrationEnded || event.isEnd
        } until: {
            () async throws(CloudletError) in
            let status: MigrationStatus
            do throws(CloudletError) { status = try query("query-migrate", as: MigrationStatus.self) } catch {
                throw await explained(error)
            }
            if status.status == "failed" || status.status == "cancelled" {
                failure = await explained(
                    CloudletError(.unavailable, "\(what) failed\(status.errorText.map { ": " + $0 } ?? "")"))
            }
            return status.status == "completed" || failure != nil
        }
        if let failure { throw failure }
        if !done { throw CloudletError(.unavailable, "\(what) did not end within \(Self.migrationLimit.shown)") }
    }

    /// How long saving or loading a device state (about a megabyte) may take.
    private static let migrationLimit = Duration.seconds(60)

    private static let streamName = "cloudlet-state"
}
