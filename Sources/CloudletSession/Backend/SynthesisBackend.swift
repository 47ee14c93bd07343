// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import AsyncAlgorithms
package import CloudletCore
package import CloudletOverlay
import CloudletSystem
package import CloudletWire

/// The part of the node that knows base VMs and runs VMs; the session server passes its work to it.
package protocol SynthesisBackend: Sendable {
    /// Decides whether this overlay can be synthesized here, and waits until there is room for its VM.
    /// - Parameters:
    ///   - request: the overlay and the client's options.
    ///   - progress: receives the position in the queue.
    /// - Returns: the resources reserved for the VM, and whether it boots.
    /// - Throws: `CloudletError` with a reason that is sent to the client.
    func admit(
        _ request: SynthesisRequest, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> AdmittedSynthesis

    /// Rebuilds the VM while its blobs arrive, and resumes or boots it. Returns when the VM runs.
    /// - Parameters:
    ///   - request: the overlay and the client's options.
    ///   - boots: whether the request was admitted as one whose VM boots, so that ``OverlayMeta/memoryBlobs`` don't arrive.
    ///   - pieces: the blobs.
    ///   - progress: receives how far the work is.
    /// - Returns: the VM.
    /// - Throws: `CloudletError` with a reason that is sent to the client; everything has been cleaned up by then.
    func synthesize(
        _ request: SynthesisRequest, boots: Bool, from pieces: BlobChannel,
        progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> any SynthesizedVM

    /// Fetches an overlay from a URL that a client names.
    /// - Throws: `CloudletError` with a reason that is sent to the client.
    func fetch(_ url: String, for client: String) async throws(CloudletError) -> OverlaySource

    /// Records durably that a session's VM runs, before the client is informed.
    func note(_ status: SessionStatus) async

    /// The machine's figures for GET_RESOURCE_INFO.
    func resources() async -> NodeResources
}

/// Passes blobs from a connection to the synthesis, with back pressure.
package typealias BlobChannel = AsyncThrowingChannel<BlobPiece, any Error>

/// A synthesis that was admitted.
package struct AdmittedSynthesis: Sendable {
    /// The resources reserved for the VM, held until it is gone.
    package let reservation: Reservation
    /// Whether the VM boots from its disk because this host can't run it as it was saved.
    package let boots: Bool

    /// Creates a result of an admission.
    package init(_ reservation: Reservation, boots: Bool = false) {
        self.reservation = reservation
        self.boots = boots
    }
}

/// A client's request for a synthesis. The message is valid; whether the overlay fits this node has not been checked.
package struct SynthesisRequest: Sendable {
    /// The session.
    package let session: SessionID
    /// The overlay.
    package let meta: OverlayMeta
    /// The client's address.
    package let client: String
    /// The address by which the client reached the node; forwards are opened on it.
    package let localAddress: String
    /// The application's name, when the client sent it.
    package let appName: String?
    /// The client's options.
    package let options: SynthesisOptions
    /// Whether the node may forward another port when a requested one is taken.
    package let moveForwards: Bool
    /// Whether the VM may boot from its disk if its state can't be resumed.
    package let allowsBoot: Bool
}

/// A VM that a session runs.
package protocol SynthesizedVM: Sendable {
    /// The VM's name in the hypervisor.
    var name: String { get }
    /// The active forwards, and whether the VM was booted.
    var details: ServerMessage.Details { get }
    /// Ends the VM and frees what it holds. Can be called more than once.
    /// - Throws: `CloudletError` when that is not possible now.
    func end() async throws(CloudletError)
    /// Waits until the VM has ended, by itself or by `end`.
    /// - Returns: the reason if the VM failed; `nil` if its guest was shut down or `end` was called.
    func waitForEnd() async -> CloudletError?
}
