// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem
import Glibc
import NIOCore
import NIOPosix

/// A TCP listener that relays each connection to a port of the loopback address.
///
/// Both directions are relayed independently: the end of one (a half-close) is passed on after its last byte, and a side
/// that reads slowly slows down the other one. When a connection is reset on one side, it is reset on the other side.
struct PortRelay: Sendable {
    private let channel: any Channel

    /// The port on which it listens.
    var port: UInt16 { channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? 0 }

    /// Listens on `address`, which is a valid IPv4 address, and relays to `target` on 127.0.0.1. Blocks.
    /// - Parameters:
    ///   - address: the IPv4 address to listen on.
    ///   - port: the port to listen on; 0 for any free one.
    ///   - target: the port of 127.0.0.1 to which connections are relayed.
    ///   - group: the threads that relay.
    ///   - gate: limits the number of accepted connections.
    ///   - admission: decides which of them are relayed.
    /// - Throws: `IOError` when it can't listen there.
    init(
        listeningOn address: IPAddress, _ port: UInt16, to target: UInt16, on group: any EventLoopGroup,
        gate: AcceptGate, admission: RelayAdmission
    ) throws {
        let target = SocketAddress(Endpoint(Self.loopback, target))
        channel = try ServerBootstrap(group: group)
            .serverChannelInitializer { gate.guardListener($0) }
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Accepted connections inherit these.
            .serverChannelOption(.socketOption(.so_rcvbuf), value: RelayLimits.systemBuffer)
            .serverChannelOption(.socketOption(.so_sndbuf), value: RelayLimits.systemBuffer)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A client that has left the network does not say so.
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(Self.keepAliveIdle), value: 60)
            .childChannelOption(.tcpOption(Self.keepAliveInterval), value: 15)
            .childChannelOption(.tcpOption(Self.keepAliveProbes), value: 4)
            .childChannelInitializer { outer in
                admission.admit(outer).flatMap { Self.connect($0, to: target, on: outer.eventLoop) }
            }
            .bind(to: SocketAddress(Endpoint(address, port)))
            .wait()
    }

    /// Stops listening. Connections go on. Blocks.
    func close() { try? channel.close().wait() }

    /// Connects to the target, and joins both connections.
    private static func connect(
        _ connection: RelayedConnection, to target: SocketAddress, on loop: any EventLoop
    ) -> EventLoopFuture<Void> {
        ClientBootstrap(group: loop)
            // A busy emulator accepts late.
            .connectTimeout(.seconds(60))
            .channelOption(.autoRead, value: false)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_rcvbuf), value: RelayLimits.systemBuffer)
            .channelOption(.socketOption(.so_sndbuf), value: RelayLimits.systemBuffer)
            .connect(to: target)
            .flatMapThrowing { try connection.join($0) }
    }

    private static let loopback = IPAddress.v4(INADDR_LOOPBACK)
    private static let keepAliveIdle = NIOBSDSocket.Option(rawValue: TCP_KEEPIDLE)
    private static let keepAliveInterval = NIOBSDSocket.Option(rawValue: TCP_KEEPINTVL)
    private static let keepAliveProbes = NIOBSDSocket.Option(rawValue: TCP_KEEPCNT)
}
