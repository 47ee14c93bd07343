public import CloudletCore
public import CloudletFinding
import CloudletNetwork
public import CloudletOverlay
import CloudletSystem
import CloudletWire
import NIOCore
import NIOPosix

/// The client of the synthesis protocol: sends an overlay to a node and holds the session while the VM is used.
public struct SynthesisClient: Sendable {
    /// Where the node is, and how long to wait for it.
    public struct Target: Sendable, Hashable {
        /// Name or address of the node.
        public var host: String
        /// Port of its synthesis listener.
        public var port: UInt16
        /// How long to wait for the connection, and for each answer to a short command.
        public var timeout = Duration.seconds(10)
        /// How long to try to go on when the connection breaks off in the transfer.
        public var comeback = Duration.seconds(30)

        /// Names a node.
        public init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }
    }

    /// What is told while the work goes on.
    public enum Progress: Sendable, Hashable {
        /// So many bytes of the overlay are sent.
        case sent(Int)
        /// The node works on this.
        case stage(String, percent: UInt64?)
        /// The node has no room; place 1 is the next.
        case queued(place: Int)
    }

    private let target: Target

    /// Talks to this node.
    public init(_ target: Target) { self.target = target }

    /// Talks to a node that was found.
    public init(_ node: FoundNode) { self.init(Target(host: node.sessionAddress, port: node.synthesisPort)) }

    /// Sends an overlay, and runs `body` while the VM runs. The session is finished when `body` returns or throws.
    /// - Parameters:
    ///   - overlay: the overlay; its name is told to the node.
    ///   - moveForwards: whether the node may open forwards on other ports when the wanted ones are taken.
    ///   - progress: is told how far the work is.
    ///   - body: what is done with the VM; cancelled when the node ends the session.
    /// - Throws: `CloudletError` with the node's reason.
    public func synthesize(
        _ overlay: OverlaySource, moveForwards: Bool = true,
        progress: @escaping @Sendable (Progress) -> Void = { _ in },
        while body: @escaping @Sendable (RemoteVM) async throws -> Void
    ) async throws(CloudletError) {
        let session = try await createSession()
        do throws(CloudletError) {
            let sent = SentBytes()
            try await persistently { (connection) async throws in
                let vm: RemoteVM
                do {
                    vm = try await connection.transfer(
                        overlay, session: session, moveForwards: moveForwards, sent: sent, progress)
                } catch let lost as LostConnection {
                    return lost
                }
                try await connection.hold(vm, body)
                try await connection.finish(session)
                return nil
            }
        } catch {
            // The node must hear of the end although this task may be cancelled; a session that is over is fine.
            _ = await shielded { try? await closeSession(session) }
            throw error
        }
    }

    /// Runs `body` on a connection, and again on a new one as long as it returns that it lost it.
    private func persistently(
        _ body: @escaping @Sendable (ClientConnection) async throws -> LostConnection?
    ) async throws(CloudletError) {
        guard var lost = try await withConnection(body) else { return }
        let clock = ContinuousClock()
        var pause = Duration.milliseconds(100)
        var end = clock.now + target.comeback
        while clock.now < end {
            do { try await Task.sleep(for: pause) } catch { throw CloudletError(.interrupted, "interrupted") }
            pause = min(pause * 2, .seconds(2))
            let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
            do throws(CloudletError) { channel = try await connect() } catch { continue }
            guard let again = try await use(channel, body) else { return }
            lost = again
            end = clock.now + target.comeback
        }
        throw lost.reason
    }

    /// Asks the node for a session.
    func createSession() async throws(CloudletError) -> SessionID {
        let event = try await command(.createSession)
        guard case .session(let session) = event else { throw Self.unexpected(event) }
        return session
    }

    /// Ends a session. One that is over already is an error of the node's.
    func closeSession(_ session: SessionID) async throws(CloudletError) {
        _ = try await command(.closeSession(session))
    }

    private func command(_ message: ClientMessage) async throws(CloudletError) -> ClientConversation.Event {
        try await withConnection { connection in
            try await connection.send(message)
            return try await connection.answer()
        }
    }

    static func unexpected(_ event: ClientConversation.Event) -> CloudletError {
        if case .failed(let reason, let code) = event { return failure(reason, code) }
        return CloudletError(.protocolViolation, "the node's answer does not fit: \(event)")
    }

    /// The node's reason as an error of ours; its code when it is one of the table.
    static func failure(_ reason: String, _ code: String?) -> CloudletError {
        let known = code.flatMap { word in CloudletError.Code.all.first { $0.description == word } }
        return CloudletError(known ?? .unavailable, "the node says: \(reason.displayable(limit: 1000))")
    }

    /// How long a node may be unreachable.
    private static let unreachable = Duration.seconds(60)

    /// Connects, runs `body`, and closes the connection.
    private func withConnection<Value: Sendable>(
        _ body: @escaping @Sendable (ClientConnection) async throws -> Value
    ) async throws(CloudletError) -> Value {
        try await use(try await connect(), body)
    }

    private func use<Value: Sendable>(
        _ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>,
        _ body: @escaping @Sendable (ClientConnection) async throws -> Value
    ) async throws(CloudletError) -> Value {
        do {
            return try await channel.executeThenClose { inbound, outbound in
                channel.channel.probePeer(atLatestAfter: Self.unreachable)
                let connection = ClientConnection(outbound, timeout: target.timeout, host: target.host)
                async let _ = connection.read(inbound)
                return try await body(connection)
            }
        } catch let error as CloudletError {
            throw error
        } catch let lost as LostConnection {
            throw lost.reason
        } catch is CancellationError {
            throw CloudletError(.interrupted, "interrupted")
        } catch {
            throw CloudletError(.unavailable, "the connection to \(target.host) broke off", cause: error)
        }
    }

    private func connect() async throws(CloudletError) -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        do {
            return try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(.nanoseconds(Int64(target.timeout.seconds * 1e9)))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.socketOption(.so_keepalive), value: 1)
                .connect(host: target.host, port: Int(target.port)) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel(
                            wrappingChannelSynchronously: channel,
                            configuration: .init(inboundType: ByteBuffer.self, outboundType: ByteBuffer.self))
                    }
                }
        } catch {
            throw CloudletError(
                .unavailable, "no synthesis service answers on \(target.host) port \(target.port)",
                advice: "check that cloudlet-node runs there and that no firewall is between")
        }
    }
}

/// A VM on a node.
public struct RemoteVM: Sendable, Hashable {
    /// The node's address at which the forwards listen: the one it reported, or the one by which it was reached.
    public let host: String
    /// The session.
    public let session: SessionID
    /// The forwards in force: those the node reported, or those the overlay names.
    public let forwards: [PortForward]

    /// The port of the node that leads to a guest port.
    public func port(of guestPort: UInt16) -> UInt16? {
        forwards.first { $0.guestPort == guestPort && $0.transport == .tcp }?.hostPort
    }
}
