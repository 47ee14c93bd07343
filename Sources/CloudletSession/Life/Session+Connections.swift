// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletCore
import CloudletOverlay
import CloudletSystem
import Synchronization

// MARK: - The connection that is attached to a session

extension Session {
    /// Whether a client with this meta may continue the session on another connection.
    func mayContinue(with meta: SHA256Digest) -> Bool { guarded.withLock { $0.state.mayContinue(with: meta) } }

    /// Attaches a connection to the session. The previous connection counts as idle from then on, so that it may be
    /// closed to make room.
    /// - Returns: `nil` if the session can't continue.
    func attach(_ peer: Peer) -> Attachment? {
        let (reports, continuation) = AsyncStream.makeStream(
            of: SessionReport.self, bufferingPolicy: .bufferingNewest(1))
        let (attachment, former) = update { guarded -> (Attachment?, Guarded?) in
            guard let number = guarded.state.attach(reconnects: peer.reconnects) else { return (nil, nil) }
            defer { (guarded.peer, guarded.reports) = (peer, continuation) }
            return (Attachment(number: number, reports: reports), guarded)
        }
        former?.reports?.finish()
        if let permit = former?.peer?.permit, permit !== peer.permit { permit.isBusy = false }
        return attachment
    }

    /// Notes that a connection has ended.
    func detach(_ number: Int) { update { _ = $0.state.detach(number, at: .now) } }

    /// Notes that a connection was closed because of an error of its client.
    func reject(_ number: Int, _ error: CloudletError) { update { _ = $0.state.reject(number, .init(error)) } }

    /// Passes on the part of a piece that did not come on an earlier connection, and waits until the synthesis has
    /// taken it.
    /// - Throws: `CloudletError.protocolViolation` if another connection is attached to the session by now.
    func take(_ piece: BlobPiece, from number: Int) async throws(CloudletError) {
        let new = try guarded.withLock { (guarded) throws(CloudletError) in
            guard guarded.state.connection.isAttached(number) else {
                throw CloudletError(.protocolViolation, "the session continues on another connection")
            }
            return guarded.state.transfer.remainder(of: piece)
        }
        guard let new else { return }
        await pieces.send(new)
        // When the task is cancelled, it is not known whether the synthesis has taken the piece.
        if Task.isCancelled { guarded.withLock { $0.state.transfer.markBroken() } }
    }

    /// Where the attached connection begins or continues the transfer. It is known once the session has room on the node.
    var resumePoint: TransferState.ResumePoint { guarded.withLock(\.state.transfer.resumePoint) }

    /// Notes that the whole overlay has been received.
    func finishTransfer() { pieces.finish() }

    /// Notes that the rest of the overlay will not come.
    func failTransfer(_ error: any Error) { pieces.fail(error) }

    /// Whether the session's VM was made from this overlay and runs for this client.
    func runs(_ meta: SHA256Digest, for client: String) -> Bool {
        guarded.withLock { $0.state.runs(meta, for: client) }
    }

    /// Ends the session so that another one of the same client can replace it, if no connection is attached to it.
    func replace() -> Bool { update { $0.state.replace(at: .now) } }

    /// Makes the system check whether the connection that is attached to the session is alive, at once or at the
    /// usual intervals.
    func probe(isUrgent: Bool) { guarded.withLock(\.peer)?.probe(isUrgent) }
}
