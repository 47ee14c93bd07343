// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletControl
import CloudletCore
import CloudletNetwork
import CloudletSystem
import Glibc
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Answers requests of programs of the same user at the control socket in the node's home; see ``ControlProtocol``.
///
/// The process must hold the node's lock of the home. Therefore an existing socket belongs to a node that has died.
struct ControlServer: Service {
    let home: CloudletHome
    let routes: ControlRoutes
    /// How long a client may take to send its request, or to read a reply.
    var timeout = Duration.seconds(10)
    let logger: Logger

    /// The largest number of connections at the same time; further ones wait in the system's queue.
    static let connections = 64
    /// Limits the number of connections.
    let gate = AcceptGate(limit: Self.connections)
    /// The pause after the socket could not be created, as on a full disk.
    private static let pause = Duration.seconds(5)

    func run() async throws {
        var isReported = false
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do {
                try Directory.createPrivate(home.controlDirectory)
                try await serve(try LocalStream.listen(at: home.controlSocket))
            } catch {
                if !isReported {
                    logger.error(
                        "the control socket can't be used; 'cloudlet list-session' and 'stop-session' don't work",
                        metadata: ["reason": "\(error)"])
                }
                isReported = true
            }
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.pause) }
        }
    }

    /// Serves the connections to a socket until the node stops, and then removes the socket.
    private func serve(_ socket: File) async throws {
        let (channel, accepted) = try await accept(socket)
        await withDiscardingTaskGroup { group in
            for await connection in accepted.cancelOnGracefulShutdown() {
                group.addTask {
                    await withTaskCancellationHandler {
                        await serve(connection)
                    } onCancel: {
                        connection.close()
                    }
                }
            }
            // From here on no program finds the node.
            try? FileSystem.remove(home.controlSocket)
            group.cancelAll()
        }
        await close(channel, accepted)
    }

    /// Closes a socket and the connections that were accepted but are not served.
    func close(_ channel: any Channel, _ accepted: AsyncStream<ControlConnection>) async {
        try? await channel.close()
        for await connection in accepted { connection.close() }
    }

    /// Accepts the connections to a socket.
    func accept(_ socket: File) async throws -> (any Channel, AsyncStream<ControlConnection>) {
        let (accepted, continuation) = AsyncStream.makeStream(of: ControlConnection.self)
        let descriptor = fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw CloudletError(errno: errno, "can't listen at \(home.controlSocket)") }
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelInitializer { [gate] in gate.guardListener($0) }
            // A client may end its side of the connection after its request, and then read the replies.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [timeout] channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = try ControlConnection(channel, timeout: TimeAmount(timeout))
                    if case .terminated = continuation.yield(connection) { connection.close() }
                }
            }
            .withBoundSocket(descriptor).get()
        channel.closeFuture.whenComplete { _ in continuation.finish() }
        return (channel, accepted)
    }

    private func serve(_ connection: ControlConnection) async {
        defer { connection.close() }
        guard let user = connection.user, user == 0 || user == geteuid() else {
            logger.warning(
                "refused another user's program at the control socket",
                metadata: ["user": "\(connection.user.map { "\($0)" } ?? "unknown")"])
            // The kernel drops a reply that is sent before the request has been read.
            _ = try? await connection.line()
            return await refuse(
                connection,
                CloudletError(.permission, "the node belongs to another user", advice: "run this as that user"))
        }
        do throws(CloudletError) {
            guard let line = try await connection.line() else { return }
            await withDiscardingTaskGroup { group in
                group.addTask {
                    // If the client has closed the connection, it gets no answer.
                    try? await routes.serve(line, connection.send)
                    connection.close()
                }
                await connection.waitForClose()
                group.cancelAll()
            }
        } catch {
            await refuse(connection, error)
        }
    }

    private func refuse(_ connection: ControlConnection, _ error: CloudletError) async {
        guard let line = try? ControlRoutes.line(error) else { return }
        try? await connection.send(line)
    }
}
