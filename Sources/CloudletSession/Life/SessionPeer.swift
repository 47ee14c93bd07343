import CloudletSystem

extension Session {
    /// What connects a session to the connection that speaks for it.
    struct Peer: Sendable {
        /// The connection's permit.
        let permit: ConnectionShares.Permit
        /// Whether the client reconnects by itself when the connection is lost.
        let reconnects: Bool
        /// Has the system check whether the client is still there, at once or at the usual times.
        let probe: @Sendable (_ isUrgent: Bool) -> Void
    }

    /// The part of a connection in a session.
    struct Attachment: Sendable {
        /// The connection's number in the session.
        let number: Int
        /// Where it begins to send.
        let point: TransferState.ResumePoint
        /// What the session reports, until another connection takes over.
        let reports: AsyncStream<SessionReport>
    }
}
