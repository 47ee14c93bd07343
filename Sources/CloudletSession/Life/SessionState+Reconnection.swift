// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

// MARK: - Who may continue a session, and until when

extension SessionState {
    /// How long sessions are kept without a connection.
    struct Timeouts: Sendable {
        /// The time before the VM runs.
        var reconnect: Duration
        /// The time once the VM runs.
        var lease: Duration
    }

    /// Whether a client with this meta may continue the session on another connection.
    func mayContinue(with meta: SHA256Digest) -> Bool { isActive && self.meta == meta }

    /// Attaches a connection to the session in place of the previous one.
    /// - Parameter reconnects: whether the client reconnects by itself when the connection is lost.
    /// - Returns: the connection's number; `nil` if the session can't be continued.
    mutating func attach(reconnects: Bool) -> Int? {
        guard isActive, transfer.beginConnection() else { return nil }
        return connection.attach(reconnects: reconnects)
    }

    /// Notes that a connection has ended. If it was attached to the session, the session is kept for a while if its VM
    /// runs or its client reconnects by itself; otherwise it ends.
    /// - Returns: whether it was attached to the session.
    @discardableResult mutating func detach(_ number: Int, at now: Instant) -> Bool {
        guard connection.isAttached(number) else { return false }
        connection.lose(at: now)
        if phase != .running, !connection.reconnects { requestEnd(.disconnected) }
        return true
    }

    /// Notes that a connection was closed because of an error of its client. If it is attached to the session, the
    /// session ends, unless its VM runs.
    @discardableResult mutating func reject(_ number: Int, _ failure: EndReason.Failure) -> Bool {
        guard connection.isAttached(number), isActive, phase != .running else { return false }
        requestEnd(.clientFault(failure))
        return true
    }

    /// When the session ends unless a connection comes; `nil` if there is one, or the end was requested.
    func deadline(_ timeouts: Timeouts) -> Instant? {
        guard isActive, let since = connection.lostSince else { return nil }
        return since + (phase == .running ? timeouts.lease : timeouts.reconnect)
    }

    /// Ends the session if no connection has come in time.
    @discardableResult mutating func expire(_ timeouts: Timeouts, at now: Instant) -> Bool {
        guard let deadline = deadline(timeouts), deadline <= now else { return false }
        requestEnd(.reconnectTimeout)
        return true
    }

    /// Whether the session's VM was made from this overlay and runs for this client.
    func runs(_ meta: SHA256Digest, for client: String) -> Bool {
        phase == .running && self.meta == meta && self.client == client
    }

    /// How long a client that reconnects by itself has to do so before another session of the same client may replace
    /// its session.
    static let reconnectGrace = Duration.seconds(3)

    /// The instant from which another session of the same client may replace this one; `nil` if a connection is
    /// attached.
    var replaceableFrom: Instant? {
        guard phase == .running, let since = connection.lostSince else { return nil }
        return since + (connection.reconnects ? Self.reconnectGrace : .zero)
    }

    /// Ends the session so that another one of the same client can replace it.
    mutating func replace(at now: Instant) -> Bool {
        guard let from = replaceableFrom, from <= now else { return false }
        requestEnd(.replaced)
        return true
    }
}
