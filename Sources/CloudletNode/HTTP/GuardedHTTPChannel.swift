// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// HTTP/1.1 connections with limits, so that slow, idle or greedy clients harm only themselves: on the total number of
/// connections, which client addresses share, on the number from one address, on the time without progress, and on the
/// size of headers.
struct GuardedHTTPChannel: ServerChildChannel {
    private let inner: HTTP1Channel
    private let shares: ConnectionShares
    private let connections: Int

    private static let perSource = 32

    /// Creates a channel that accepts at most `connections` connections, which client addresses share by `shares`.
    init(shares: ConnectionShares, connections: Int, responder: @escaping HTTPChannelHandler.Responder) {
        self.shares = shares
        self.connections = connections
        inner = HTTP1Channel(
            responder: responder,
            configuration: .init(
                idleTimeout: .seconds(15),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 16 << 10, maxHeaderFieldCount: 64)))
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<AcceptedConnection> {
        // Requests are answered quickly, so any connection may be closed to make room for another one.
        let permit = try? shares.acquire(
            from: channel.remoteAddress?.ipAddress ?? "", total: connections, perSource: Self.perSource
        ) { channel.close(promise: nil) }
        guard let permit else { return channel.close().flatMapThrowing { throw ChannelError.ioOnClosedChannel } }
        channel.closeFuture.whenComplete { [shares] _ in shares.release(permit) }
        return inner.setup(channel: channel, logger: logger).flatMapThrowing { connection in
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(RequestTargetHandler(), position: .after(decoder))
            return AcceptedConnection(connection)
        }
    }

    func handle(value: AcceptedConnection, logger: Logger) async {
        guard let connection = value.take() else { return }
        await inner.handle(value: connection, logger: logger)
    }
}

/// A connection that waits to be served. If it is released without being served, as happens when the server ends, it is
/// closed properly, because NIO ends the process when a channel of this kind is dropped without having been executed.
final class AcceptedConnection: ServerChildChannelValue {
    private let connection: Mutex<HTTP1Channel.Value?>
    let channel: any Channel

    init(_ connection: HTTP1Channel.Value) {
        channel = connection.channel
        self.connection = Mutex(connection)
    }

    deinit {
        guard let connection = take() else { return }
        Task { try? await connection.executeThenClose { _, _ in } }
    }

    /// Returns the connection the first time, then `nil`.
    func take() -> HTTP1Channel.Value? {
        connection.withLock { connection in
            defer { connection = nil }
            return connection
        }
    }
}
