// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletOverlay
import CloudletSystem
import CloudletWire
import NIOCore

/// A client's connection to a node, for one task at a time.
final class ClientConnection: Sendable {
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let inbox = ClientInbox()
    private let timeout: Duration
    private let host: String
    private let close: @Sendable () -> Void
    private static let pieceBytes = 256 << 10

    /// Creates a connection.
    /// - Parameters:
    ///   - outbound: writes to the node.
    ///   - timeout: how long to wait for the answer to a short command.
    ///   - host: the node's address, for messages.
    ///   - close: closes the connection, which ends a write that waits.
    init(
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>, timeout: Duration, host: String,
        close: @escaping @Sendable () -> Void
    ) {
        self.outbound = outbound
        self.timeout = timeout
        self.host = host
        self.close = close
    }

    /// Receives messages until the connection ends. Closes it when the node reports a failure or breaks the protocol,
    /// so that nothing more is sent.
    func read(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async {
        do {
            for try await buffer in inbound { try inbox.receive([UInt8](buffer: buffer)) }
            inbox.finish(
                lost(
                    CloudletError(
                        .unavailable, "\(host) ended the connection",
                        advice: "look for the reason in its log, and try again")))
        } catch let error as CloudletError {
            inbox.fail(error)
            close()
        } catch {
            inbox.finish(lost(error))
        }
    }

    private func lost(_ error: any Error) -> LostConnection {
        LostConnection(
            reason: .wrapping(error, .unavailable, "the connection to \(host) was lost"),
            wasAnswered: inbox.hasReceived)
    }

    /// Writes bytes.
    /// - Throws: `LostConnection` when the connection is lost, or the node's reason if it sent one before.
    private func write(_ buffer: ByteBuffer) async throws {
        do { try await outbound.write(buffer) } catch let error as CancellationError { throw error } catch {
            // The reason may have arrived without being read yet.
            if let failure = await inbox.failure(until: .now + timeout) { throw failure }
            throw lost(error)
        }
    }

    func send(_ message: ClientMessage) async throws {
        try await write(ByteBuffer(bytes: Frame.encode(message.value)))
    }

    /// Waits for the answer to a short command.
    func answer() async throws -> ClientConversation.Event {
        let answer = try await withDeadline(timeout) { [inbox] () async throws(CloudletError) in
            do { return try await inbox.next() } catch let lost as LostConnection { throw lost.reason } catch {
                throw .wrapping(error, .unavailable, "the connection to the node was lost")
            }
        }
        guard let answer else {
            throw CloudletError(.unavailable, "\(host) did not answer within \(timeout.seconds) s")
        }
        return answer
    }

    /// Sends the meta and the blobs that the node asks for, and waits until the VM runs.
    /// `sent` counts the bytes sent of each blob, on this connection or an earlier one. `allowsBoot` says whether the
    /// node may boot the VM if it can't resume it.
    /// - Throws: `LostConnection` when the transfer can continue on a new connection, another error otherwise.
    func transfer(
        _ overlay: OverlaySource, session: SessionID, moveForwards: Bool, allowsBoot: Bool, sent: SentBytes,
        _ progress: @Sendable (SynthesisClientProgress) -> Void
    ) async throws -> RemoteVM {
        inbox.begin(blobNames: overlay.meta.blobs.map(\.name))
        var announcement = ClientMessage.SendMeta(size: overlay.metaBytes.count, session: session)
        announcement.appName = overlay.appName
        announcement.apiVersion = ProtocolVersion.current
        announcement.wantsProgress = true
        announcement.moveForwards = moveForwards
        announcement.resumes = true
        announcement.allowsBoot = allowsBoot
        try await send(.sendMeta(announcement))
        try await write(ByteBuffer(bytes: overlay.metaBytes))
        while true {
            switch try await inbox.next() {
            case .metaAccepted: break
            case .progress(let stage, let percent): progress(.stage(stage, percent: percent))
            case .queued(let position): progress(.queued(position: position))
            case .send(let index):
                try await send(overlay, index, session) { progress(.sent(sent.note($0, of: index))) }
            case .done(let details):
                guard details?.boot == nil || allowsBoot else {
                    throw CloudletError(
                        .protocolViolation, "the node booted the VM instead of resuming it, which was not allowed")
                }
                return RemoteVM(
                    host: try address(of: details?.forwards) ?? host, session: session,
                    forwards: details?.forwards.map(\.forward) ?? overlay.meta.forwards, boot: details?.boot)
            case let event: throw CloudletError(unexpected: event)
            }
        }
    }

    /// The node's address on which the forwards listen; `nil` when it is the one by which the node was reached.
    private func address(of forwards: [ServerMessage.ReportedForward]?) throws(CloudletError) -> String? {
        guard let text = forwards?.first?.address, text != "0.0.0.0" else { return nil }
        // Programs print it and pass it to others.
        guard let address = IPAddress(text) else {
            throw CloudletError(
                .protocolViolation, "the node reported an invalid address: '\(text.displayable(limit: 60))'")
        }
        return address.description
    }

    private func send(
        _ overlay: OverlaySource, _ index: Int, _ session: SessionID, _ sent: (Int) -> Void
    ) async throws {
        let blob = overlay.meta.blobs[index]
        let bytes = try overlay.open(index)
        try await send(.sendOverlay(name: blob.name, size: blob.size, session: session))
        for range in pieces(of: 0..<blob.size, length: Self.pieceBytes) {
            try await write(ByteBuffer(bytes: try bytes.read(range)))
            sent(range.upperBound)
        }
    }

    /// Runs `body` until it returns or the node ends the session.
    func hold(_ vm: RemoteVM, _ body: @escaping @Sendable (RemoteVM) async throws -> Void) async throws {
        try await withThrowingTaskGroup { group in
            group.addTask { try await body(vm) }
            group.addTask { [inbox] in throw CloudletError(unexpected: try await inbox.next()) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Ends the session, and waits until the node has removed its VM.
    func finish(_ session: SessionID) async throws {
        try await send(.finish(session: session, statistics: []))
        guard case .success(.finish) = try await answer() else {
            throw CloudletError(.protocolViolation, "\(host) did not confirm the end of the session")
        }
    }
}
