import CloudletCore

// MARK: - Who may go on with a session, and until when

extension SessionState {
    /// How long sessions outlive their connections.
    struct Timeouts: Sendable {
        /// Until the VM runs.
        var reconnect: Duration
        /// Afterwards.
        var lease: Duration
    }

    /// Whether a client may go on with the session by another connection and this meta.
    func mayGoOn(with meta: SHA256Digest) -> Bool { isActive && self.meta == meta }

    /// Makes a connection the one that speaks for the session.
    /// - Parameter reconnects: whether its client reconnects by itself when it is lost.
    /// - Returns: its number and where it begins to send; `nil` when the session does not go on, or can't.
    mutating func attach(reconnects: Bool) -> (number: Int, point: TransferState.ResumePoint)? {
        guard isActive, let point = transfer.beginConnection() else { return nil }
        return (connection.attach(reconnects: reconnects), point)
    }

    /// A connection has ended. If it spoke for the session, the session outlives it for a while once its VM runs, and
    /// before where the client reconnects; otherwise it ends.
    /// - Returns: whether it spoke for the session.
    @discardableResult mutating func detach(_ number: Int, at now: Instant) -> Bool {
        guard connection.isAttached(number) else { return false }
        connection.lose(at: now)
        if phase != .running, !connection.reconnects { requestEnd(.disconnected) }
        return true
    }

    /// A connection was ended for a fault of its client: so is the session that it speaks for, unless the VM runs.
    @discardableResult mutating func reject(_ number: Int, _ failure: EndReason.Failure) -> Bool {
        guard connection.isAttached(number), isActive, phase != .running else { return false }
        requestEnd(.clientFault(failure))
        return true
    }

    /// When the session ends unless a connection comes; `nil` while there is one, or the end was requested.
    func deadline(_ timeouts: Timeouts) -> Instant? {
        guard isActive, let since = connection.lostSince else { return nil }
        return since + (phase == .running ? timeouts.lease : timeouts.reconnect)
    }

    /// Ends the session if no connection came in time.
    @discardableResult mutating func expire(_ timeouts: Timeouts, at now: Instant) -> Bool {
        guard let deadline = deadline(timeouts), deadline <= now else { return false }
        requestEnd(.reconnectTimeout)
        return true
    }

    /// Whether its VM is of this overlay and runs for this client.
    func runs(_ meta: SHA256Digest, for client: String) -> Bool {
        phase == .running && self.meta == meta && self.client == client
    }

    /// How long a client that reconnects by itself has before its session may be replaced by another one of the same client.
    static let reconnectGrace = Duration.seconds(3)

    /// From when on another session of the same client may replace this one; `nil` while a connection speaks for it.
    var replaceableFrom: Instant? {
        guard phase == .running, let since = connection.lostSince else { return nil }
        return since + (connection.reconnects ? Self.reconnectGrace : .zero)
    }

    /// Ends the session in favour of another one of the same client.
    mutating func replace(at now: Instant) -> Bool {
        guard let from = replaceableFrom, from <= now else { return false }
        requestEnd(.replaced)
        return true
    }
}
