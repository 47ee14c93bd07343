package import CloudletCore
package import Foundation

/// What a session is doing, for lists and logs.
package struct SessionStatus: Sendable, Hashable {
    /// The session's number.
    package let id: SessionID
    /// The client's address.
    package let client: String
    /// When it was made.
    package let created: Date
    /// What it is doing.
    package var stage = SynthesisStage.created
    /// The application's name, when the client sent it.
    package var appName: String?
    /// The base VM.
    package var baseHash: SHA256Digest?
    /// Bytes of the overlay that were received.
    package var receivedBytes = 0
    /// Its position in the queue, while it waits for room.
    package var queuePosition: Int?
    /// The forwards in force, as text.
    package var forwards: [String] = []
    /// The VM's name in the hypervisor.
    package var vm: String?
    /// Why the session is over.
    package var endReason: EndReason?
    /// The kind of failure, of a session that failed.
    package var failure: CloudletError.Code?

    /// A session that was just made.
    package init(id: SessionID, client: String, created: Date) {
        self.id = id
        self.client = client
        self.created = created
    }
}
