// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem
import Glibc
import NIOCore
import NIOPosix

/// A bound socket, and its accepted connections that wait to be served.
///
/// Connections pass through a mailbox and not through NIO's own sequence: when that sequence ends, it drops the waiting
/// connections, and NIO ends the process when a `NIOAsyncChannel` is dropped without having been executed.
package final class SessionListener: Sendable {
    /// A connection that was accepted.
    struct Connection: Sendable {
        let stream: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        /// Counts the bytes that have arrived on the connection.
        let arrived: ArrivedBytes

        var channel: any Channel { stream.channel }

        /// The client's address. Of a connection over IPv4, it is the IPv4 address even if the socket listens on IPv6.
        var client: String { channel.remoteAddress?.address?.description ?? "unknown" }
        /// The node's address that the client used.
        var localAddress: String { channel.localAddress?.address?.description ?? "" }
    }

    private let channel: any Channel
    private let waiting: Mailbox<Connection>

    /// The port the socket is bound to.
    package let port: UInt16
    /// The address the socket is bound to.
    package let address: String

    /// The size in bytes of the system's receive buffer of each connection, limited by net.core.rmem_max. It is the
    /// same for all connections, so that they share a link fairly: in a common queue, connections get bandwidth in
    /// proportion to their windows, and windows chosen by the system differ by a factor of two and more. It is enough
    /// for 400 Mbit/s at 5 ms.
    private static let receiveBuffer = 256 << 10

    init(address: String, port: UInt16, gate: AcceptGate) async throws(CloudletError) {
        let waiting = Mailbox<Connection>()
        let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelInitializer { gate.guardListener($0) }
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.socketOption(.so_rcvbuf), value: Self.receiveBuffer)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let arrived = ArrivedBytes()
                    try arrived.count(on: channel)
                    let stream = try NIOAsyncChannel(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(
                            backPressureStrategy: .init(lowWatermark: 1, highWatermark: 4),
                            isOutboundHalfClosureEnabled: true, inboundType: ByteBuffer.self,
                            outboundType: ByteBuffer.self))
                    let connection = Connection(stream: stream, arrived: arrived)
                    // The listener is closed, so nothing will serve this connection. An event loop can't wait, so a
                    // task closes it.
                    if !waiting.put(connection) { Task { await Self.refuse(connection) } }
                }
            }
        do {
            channel = try await bootstrap.bind(host: address, port: Int(port)).get()
        } catch {
            throw Self.explained(error, address, port)
        }
        self.waiting = waiting
        self.address = address
        self.port = channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? port
    }

    private static func explained(_ error: any Error, _ address: String, _ port: UInt16) -> CloudletError {
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE:
            CloudletError(
                .busy, "port \(port) of \(address) is taken",
                advice:
                    "end the program that uses it ('ss -ltnp sport = :\(port)' shows it), or use another port with --listen"
            )
        case EACCES: CloudletError(.permission, "no right to listen on port \(port)", advice: "use a port above 1023")
        case EADDRNOTAVAIL: CloudletError(.notFound, "\(address) is not an address of this host")
        default: CloudletError(.unavailable, "can't listen on \(address) port \(port)", cause: error)
        }
    }

    /// The next connection; `nil` when the listener is closed.
    func next() async throws -> Connection? { try await waiting.next() }

    /// Stops listening and closes the waiting connections.
    package func close() async {
        try? await channel.close()
        waiting.finish()
        for connection in waiting.drain() { await Self.refuse(connection) }
    }

    /// Closes a connection without serving it.
    static func refuse(_ connection: Connection) async { try? await connection.stream.executeThenClose { _, _ in } }
}
