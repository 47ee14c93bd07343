import CloudletCore
import CloudletWire
import NIOCore
import Synchronization

/// What the tasks of one connection share: the conversation, the way to the client, and whether all is said.
final class ConnectionState: Sendable {
    private struct State {
        var conversation: ServerConversation
        var lastActivity = ContinuousClock().now
        var isOver = false
        var endIsExpected = false
        var session: Session?
    }

    private let state: Mutex<State>
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

    init(_ conversation: ServerConversation, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) {
        state = Mutex(State(conversation: conversation))
        self.outbound = outbound
    }

    /// The session the connection works on.
    var session: Session? {
        get { state.withLock(\.session) }
        set { state.withLock { $0.session = newValue } }
    }

    /// Notes that the client of this connection has asked for the end itself.
    func expectEnd() { state.withLock { $0.endIsExpected = true } }

    /// Whether the client of this connection has asked for the end itself.
    var endIsExpected: Bool { state.withLock(\.endIsExpected) }

    /// Whether our side of the conversation has ended.
    var isOver: Bool { state.withLock(\.isOver) }

    /// Whether it is the client's turn.
    var waitsForClient: Bool { state.withLock(\.conversation.waitsForClient) }

    /// Whether the client may go away now.
    var mayEnd: Bool { state.withLock(\.conversation.mayEnd) }

    /// What the conversation is doing.
    var name: String { state.withLock(\.conversation.stateName) }

    /// How long nothing came.
    var silence: Duration { ContinuousClock().now - state.withLock(\.lastActivity) }

    /// Notes that something came.
    func noteActivity() { state.withLock { $0.lastActivity = ContinuousClock().now } }

    /// Takes bytes from the client.
    func receive(_ bytes: [UInt8]) throws(CloudletError) -> [ServerConversation.Event] {
        do {
            return try state.withLock { (state) throws(WireError) in try state.conversation.receive(bytes[...]) }
        } catch {
            throw CloudletError(.protocolViolation, error.description)
        }
    }

    /// Accepts the meta and asks for the first blobs.
    func beginTransfer(_ blobs: [BlobRequests.Blob]) async throws {
        for message in state.withLock({ $0.conversation.beginTransfer(blobs) }) { try await send(message) }
    }

    /// Tells the client that its VM runs.
    func markRunning(_ message: ServerMessage) async throws {
        try await send(state.withLock { $0.conversation.markRunning(message) })
    }

    /// Writes a message, length and body in one piece.
    func send(_ message: ServerMessage) async throws {
        try await outbound.write(ByteBuffer(bytes: Frame.encode(message.value)))
    }

    /// Says the last word, once: the client sees it and then the end of the stream.
    /// - Returns: whether this was the call that said it.
    @discardableResult
    func end(with message: ServerMessage) async -> Bool {
        let first = state.withLock { state in
            defer {
                state.isOver = true
                state.lastActivity = ContinuousClock().now
            }
            return !state.isOver
        }
        guard first else { return false }
        try? await send(message)
        outbound.finish()
        return true
    }
}
