import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletWire
import NIOCore
import Synchronization

/// A client's connection to a node, for one task at a time.
final class ClientConnection: Sendable {
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let inbox = ClientInbox()
    private let timeout: Duration
    private let host: String
    private static let pieceBytes = 256 << 10

    init(_ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>, timeout: Duration, host: String) {
        self.outbound = outbound
        self.timeout = timeout
        self.host = host
    }

    /// Receives messages until the node ends the connection.
    func read(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async {
        do {
            for try await buffer in inbound { try inbox.receive([UInt8](buffer: buffer)) }
            inbox.finish(
                LostConnection(
                    reason: CloudletError(
                        .unavailable, "\(host) ended the connection",
                        advice: "look for the reason in its log, and try again")))
        } catch let error as CloudletError {
            inbox.finish(error)
        } catch {
            inbox.finish(lost(error))
        }
    }

    private func lost(_ error: any Error) -> LostConnection {
        LostConnection(reason: .wrapping(error, .unavailable, "the connection to \(host) broke"))
    }

    /// Writes bytes.
    /// - Throws: `LostConnection` when the connection is lost.
    private func write(_ buffer: ByteBuffer) async throws {
        do { try await outbound.write(buffer) } catch let error as CancellationError { throw error } catch {
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
                throw .wrapping(error, .unavailable, "the connection to the node broke")
            }
        }
        guard let answer else {
            throw CloudletError(.unavailable, "\(host) did not answer within \(timeout.seconds) s")
        }
        return answer
    }

    /// Sends the meta and the blobs that the node asks for, and waits until the VM runs.
    /// `sent` counts the bytes sent of each blob, on this connection or an earlier one.
    /// - Throws: `LostConnection` when the transfer can continue on a new connection, another error otherwise.
    func transfer(
        _ overlay: OverlaySource, session: SessionID, moveForwards: Bool, sent: SentBytes,
        _ progress: @Sendable (SynthesisClientProgress) -> Void
    ) async throws -> RemoteVM {
        inbox.begin(blobNames: overlay.meta.blobs.map(\.name))
        var announcement = ClientMessage.SendMeta(size: overlay.metaBytes.count, session: session)
        announcement.appName = overlay.appName
        announcement.apiVersion = ProtocolVersion.current
        announcement.wantsProgress = true
        announcement.moveForwards = moveForwards
        announcement.resumes = true
        try await send(.sendMeta(announcement))
        try await write(ByteBuffer(bytes: overlay.metaBytes))
        while true {
            switch try await inbox.next() {
            case .metaAccepted: break
            case .progress(let stage, let percent): progress(.stage(stage, percent: percent))
            case .queued(let position): progress(.queued(position: position))
            case .send(let index):
                try await send(overlay, index, session) { progress(.sent(sent.note($0, of: index))) }
            case .done(let forwards):
                let reported = forwards?.first?.address
                return RemoteVM(
                    host: reported.flatMap { $0 == "0.0.0.0" ? nil : $0 } ?? host, session: session,
                    forwards: forwards?.map(\.forward) ?? overlay.meta.forwards)
            case let event: throw CloudletError(unexpected: event)
            }
        }
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
            group.addTask { [inbox, host] in
                let event = try await inbox.next()
                if case .failed = event { throw CloudletError(unexpected: event) }
                throw CloudletError(.unavailable, "\(host) ended the session")
            }
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
