package import AsyncAlgorithms
package import CloudletCore
package import CloudletOverlay
import CloudletSystem
package import CloudletWire

/// What the session server hands its work to: the part of the node that knows bases and VMs.
package protocol SynthesisBackend: Sendable {
    /// Decides whether this overlay can be synthesized here, and waits until there is room for its VM.
    /// - Parameters:
    ///   - request: what is wanted.
    ///   - progress: receives the position in the queue.
    /// - Returns: what it takes of the host, held until the VM is gone.
    /// - Throws: `CloudletError` with a reason that is sent to the client.
    func admit(
        _ request: SynthesisRequest, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> Reservation

    /// Rebuilds and resumes the VM while its blobs arrive. Returns when the VM really runs.
    /// - Throws: `CloudletError` with a reason that is sent to the client; nothing is left behind then.
    func synthesize(
        _ request: SynthesisRequest, from pieces: BlobChannel, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> any SynthesizedVM

    /// Fetches an overlay from where a client says.
    /// - Throws: `CloudletError` with a reason that is sent to the client.
    func fetch(_ url: String, for client: String) async throws(CloudletError) -> OverlaySource

    /// Notes durably that a session's VM runs; the client learns it afterwards.
    func note(_ status: SessionStatus) async

    /// The machine's figures for GET_RESOURCE_INFO.
    func resources() async -> NodeResources
}

/// Blobs on their way from a connection to the synthesis, with back pressure.
package typealias BlobChannel = AsyncThrowingChannel<BlobPiece, any Error>

/// What a client asks to be synthesized, checked as far as the message goes.
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
    /// Whether forwards may be moved to free ports.
    package let moveForwards: Bool
}

/// A VM that a session runs.
package protocol SynthesizedVM: Sendable {
    /// The VM's name in the hypervisor.
    var name: String { get }
    /// The forwards in force.
    var forwards: [ServerMessage.ReportedForward] { get }
    /// Ends the VM and frees what it holds.
    func end() async
    /// Waits until the VM has ended, by itself or by `end`.
    /// - Returns: the reason when it failed; `nil` when its guest was shut down or it was ended.
    func waitForEnd() async -> CloudletError?
}
