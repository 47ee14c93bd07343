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
    /// - Returns: the place, held until the VM is gone.
    /// - Throws: `CloudletError` with a reason the client is told.
    func admit(
        _ request: SynthesisRequest, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> SynthesisPlace

    /// Rebuilds and resumes the VM while its blobs arrive. Returns when the VM really runs.
    /// - Throws: `CloudletError` with a reason the client is told; nothing is left behind then.
    func synthesize(
        _ request: SynthesisRequest, from pieces: BlobChannel, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> any SynthesizedVM

    /// Fetches an overlay from where a client says.
    /// - Throws: `CloudletError` with a reason the client is told.
    func fetch(_ url: String, for client: String) async throws(CloudletError) -> OverlaySource

    /// Notes durably that a session's VM runs; the client is told afterwards.
    func note(_ status: SessionStatus) async

    /// The machine's figures for GET_RESOURCE_INFO.
    func resources() async -> NodeResources
}

/// Blobs on their way from a connection to the synthesis, with back pressure.
package typealias BlobChannel = AsyncThrowingChannel<BlobPiece, any Error>

/// A wish for a synthesis, checked as far as the message goes.
package struct SynthesisRequest: Sendable {
    /// The session.
    package let session: SessionID
    /// The overlay.
    package let meta: OverlayMeta
    /// The client's address.
    package let client: String
    /// The address by which the client reached the node; forwards are opened on it.
    package let localAddress: String
    /// The application's name, when the client tells.
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

/// A machine's figures, with the names and units of the original's GET_RESOURCE_INFO.
package struct NodeResources: Sendable, Hashable {
    /// CPU sockets.
    package var sockets = 1
    /// Cores in all sockets.
    package var cores = 1
    /// Threads a core runs.
    package var threadsPerCore = 1
    /// Processors the system sees.
    package var processors = 1
    /// Clock in MHz.
    package var clockMHz = 0
    /// Memory in MiB.
    package var totalMemoryMiB = 0
    /// Share of processor time in use, percent.
    package var cpuUsagePercent = 0.0
    /// Memory that could be used, MiB.
    package var freeMemoryMiB = 0

    /// A machine of which nothing is known.
    package init() {}
}
