// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import Foundation

/// The status of a session, for lists and logs.
package struct SessionStatus: Sendable, Hashable {
    /// The session's number.
    package let id: SessionID
    /// The client's address.
    package let client: String
    /// When the session was created.
    package let created: Date
    /// The stage that the session has reached.
    package var stage = SynthesisStage.created
    /// The application's name, when the client sent it.
    package var appName: String?
    /// The base VM.
    package var baseHash: SHA256Digest?
    /// Bytes of the overlay that were received.
    package var receivedBytes = 0
    /// The session's position in the queue, while it waits for room.
    package var queuePosition: Int?
    /// The active forwards, as text.
    package var forwards: [String] = []
    /// The VM's name in the hypervisor.
    package var vm: String?
    /// Why the VM was booted instead of running as it was saved, if that is so.
    package var bootReason: String?
    /// Why the session ended.
    package var endReason: EndReason?
    /// The kind of failure, if the session failed.
    package var failure: CloudletError.Code?

    /// The status of a session that was just created.
    package init(id: SessionID, client: String, created: Date) {
        self.id = id
        self.client = client
        self.created = created
    }
}
