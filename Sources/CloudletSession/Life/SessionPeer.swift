// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem

extension Session {
    /// What a session knows of the connection that is attached to it.
    struct Peer: Sendable {
        /// The connection's permit.
        let permit: ConnectionShares.Permit
        /// Whether the client reconnects by itself when the connection is lost.
        let reconnects: Bool
        /// Makes the system check whether the client is still reachable, at once or at the usual intervals.
        let probe: @Sendable (_ isUrgent: Bool) -> Void
    }

    /// What a connection gets when it is attached to a session.
    struct Attachment: Sendable {
        /// The connection's number in the session.
        let number: Int
        /// The session's reports, until another connection is attached.
        let reports: AsyncStream<SessionReport>
    }
}
