// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletControl
import CloudletCore
import CloudletSystem
import NIOCore

/// A connection that a program has opened to the control socket.
struct ControlConnection: Sendable {
    private let channel: any Channel
    /// The user who opened the connection; `nil` if unknown.
    let user: UInt32?
    private let request: EventLoopFuture<[UInt8]>
    private let timeout: TimeAmount

    /// Takes over a channel. Called on its event loop. `timeout` limits the time in which a client must send its
    /// request, and the time in which it must read a reply.
    init(_ channel: any Channel, timeout: TimeAmount) throws {
        (self.channel, self.timeout) = (channel, timeout)
        let operations = channel.pipeline.syncOperations
        user = try operations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { descriptor in
            try? LocalStream.peerUser(of: descriptor)
        }.flatMap { $0 }
        let promise = channel.eventLoop.makePromise(of: [UInt8].self)
        request = promise.futureResult
        do { try operations.addHandler(ControlRequestReader(promise, timeout)) } catch {
            promise.fail(error)
            throw error
        }
    }

    /// Returns the request without its line feed; `nil` if the client closed the connection or did not send a request
    /// in time.
    /// - Throws: `CloudletError.protocolViolation` when the request is too long.
    func line() async throws(CloudletError) -> [UInt8]? {
        do { return try await request.get() } catch {
            if let error = error as? CloudletError { throw error }
            return nil
        }
    }

    /// Sends a line.
    /// - Throws: `CloudletError` when the client has closed the connection, or does not read.
    func send(_ line: [UInt8]) async throws(CloudletError) {
        // If the client does not read in time, its channel is closed, so that the write fails.
        let limit = channel.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        defer { limit.cancel() }
        do { try await channel.writeAndFlush(ByteBuffer(bytes: line)) } catch {
            throw CloudletError(.unavailable, "a client closed its connection to the control socket", cause: error)
        }
    }

    /// Waits until the connection is closed by either side.
    func waitForClose() async { try? await channel.closeFuture.get() }

    /// Closes the connection after everything written before has been sent.
    func close() { channel.close(promise: nil) }
}

/// Reads one line. Everything after it is discarded.
private final class ControlRequestReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let promise: EventLoopPromise<[UInt8]>
    private var received: [UInt8] = []
    private var isDone = false
    private var limit: Scheduled<Void>?
    private let timeout: TimeAmount

    init(_ promise: EventLoopPromise<[UInt8]>, _ timeout: TimeAmount) {
        (self.promise, self.timeout) = (promise, timeout)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        limit = context.eventLoop.scheduleTask(in: timeout) { [channel = context.channel] in
            channel.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return }
        let part = unwrapInboundIn(data).readableBytesView
        let end = part.firstIndex(of: UInt8(ascii: "\n"))
        received += part[..<(end ?? part.endIndex)]
        if received.count >= ControlProtocol.maximumRequestBytes {
            finish(
                .failure(
                    CloudletError(
                        .protocolViolation,
                        "the request is longer than \(ControlProtocol.maximumRequestBytes) bytes")))
        } else if end != nil {
            finish(.success(received))
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Without the rest of a request, there is nothing to reply to.
        if case ChannelEvent.inputClosed = event { finish(.failure(ChannelError.eof)) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.failure(ChannelError.eof))
        context.fireChannelInactive()
    }

    /// Also where the channel fails before it becomes active.
    func handlerRemoved(context: ChannelHandlerContext) { finish(.failure(ChannelError.eof)) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func finish(_ result: Result<[UInt8], any Error>) {
        guard !isDone else { return }
        isDone = true
        received = []
        limit?.cancel()
        promise.completeWith(result)
    }
}
