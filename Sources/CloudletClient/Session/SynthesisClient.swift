// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore
public import CloudletFinding
import CloudletNetwork
public import CloudletOverlay
import CloudletSystem
import CloudletWire
import NIOCore
import NIOPosix

/// A client of the synthesis protocol: sends an overlay to a node and keeps the session open while the VM is in use.
public struct SynthesisClient: Sendable {
    /// The node to connect to, and how long to wait for it.
    public struct Target: Sendable, Hashable {
        /// Host name or address of the node.
        public var host: String
        /// TCP port of its synthesis listener.
        public var port: UInt16
        /// How long to wait for the connection, and for each answer to a short command.
        public var timeout = Duration.seconds(10)
        /// How long to try to reconnect when the connection is lost during the transfer.
        public var reconnectTimeout = Duration.seconds(30)

        /// Creates a target with the default timeouts.
        public init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }
    }

    /// A step of the work.
    public typealias Progress = SynthesisClientProgress

    private let target: Target

    /// Creates a client of a node.
    public init(_ target: Target) { self.target = target }

    /// Creates a client of a found node.
    public init(_ node: FoundNode) { self.init(Target(host: node.sessionAddress, port: node.synthesisPort)) }

    /// Sends an overlay and runs `body` while the VM runs. The session ends when `body` returns or throws.
    /// - Parameters:
    ///   - overlay: the overlay to send.
    ///   - moveForwards: whether the node may forward other host ports when those that the overlay names are in use.
    ///   - allowsBoot: whether the node may boot the VM from its disk if it can't resume the saved state. Then what was only
    ///     in the saved memory is missing, and ``RemoteVM/boot`` gives the reason.
    ///   - progress: called for each step. Of the node's reports that arrive while a blob is sent, only the newest is
    ///     passed on.
    ///   - body: uses the VM; cancelled when the node ends the session.
    /// - Throws: `CloudletError` with the node's reason.
    public func synthesize(
        _ overlay: OverlaySource, moveForwards: Bool = true, allowsBoot: Bool = false,
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
                        overlay, session: session, moveForwards: moveForwards, allowsBoot: allowsBoot, sent: sent,
                        progress)
                } catch let lost as LostConnection {
                    return lost
                }
                try await connection.hold(vm, body)
                try await connection.finish(session)
                return nil
            }
        } catch {
            // Close the session even if this task is cancelled; the node refuses when it has ended, which is fine.
            _ = await shielded { try? await closeSession(session) }
            throw error
        }
    }

    /// Runs `body` on a connection, and again on a new one whenever it returns that the connection is lost.
    private func persistently(
        _ body: @escaping @Sendable (ClientConnection) async throws -> LostConnection?
    ) async throws(CloudletError) {
        guard var lost = try await withConnection(body) else { return }
        let clock = ContinuousClock()
        // Nothing reports that a node can be reached again, so it is tried at growing intervals.
        var pause = Duration.milliseconds(100)
        var end = clock.now + target.reconnectTimeout
        while clock.now < end {
            do { try await Task.sleep(for: pause) } catch { throw CloudletError(.interrupted, "interrupted") }
            pause = min(pause * 2, .seconds(2))
            let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
            do throws(CloudletError) { channel = try await connect() } catch { continue }
            guard let again = try await use(channel, body) else { return }
            lost = again
            // A program that forwards connections accepts and closes them while the node is gone. Only a message shows
            // that the node is back.
            if lost.wasAnswered { end = clock.now + target.reconnectTimeout }
        }
        throw lost.reason
    }

    /// Creates a session on the node.
    func createSession() async throws(CloudletError) -> SessionID {
        let event = try await command(.createSession)
        guard case .session(let session) = event else { throw CloudletError(unexpected: event) }
        return session
    }

    /// Ends a session.
    /// - Throws: the node's error when the session has ended already.
    func closeSession(_ session: SessionID) async throws(CloudletError) {
        _ = try await command(.closeSession(session))
    }

    private func command(_ message: ClientMessage) async throws(CloudletError) -> ClientConversation.Event {
        try await withConnection { connection in
            try await connection.send(message)
            return try await connection.answer()
        }
    }

    /// How long a node may be unreachable before the connection counts as lost.
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
                let connection = ClientConnection(outbound, timeout: target.timeout, host: target.host) {
                    channel.channel.close(promise: nil)
                }
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
            throw CloudletError(.unavailable, "the connection to \(target.host) was lost", cause: error)
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
                advice: "check that cloudlet-node runs there and that no firewall blocks the port")
        }
    }
}
