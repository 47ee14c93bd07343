import CloudletControl
import CloudletCore
import CloudletSystem
import NIOCore

/// A connection to the control socket.
struct ControlConnection: Sendable {
    private let channel: any Channel
    /// The user at its other end; `nil` when that is not known.
    let user: UInt32?
    private let request: EventLoopFuture<[UInt8]>
    private let timeout: TimeAmount

    /// Takes over a channel; called on its event loop. `timeout` is how long a client may take to send its request, or to
    /// receive a reply.
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

    /// The request, without its line feed; `nil` when there is none: the client went away, or took too long to send it.
    /// - Throws: `CloudletError.protocolViolation` when it is too long.
    func line() async throws(CloudletError) -> [UInt8]? {
        do { return try await request.get() } catch {
            if let error = error as? CloudletError { throw error }
            return nil
        }
    }

    /// Sends a line.
    /// - Throws: `CloudletError` when the client has gone away, or does not read.
    func send(_ line: [UInt8]) async throws(CloudletError) {
        // A client that does not read is not waited for: its channel is closed, and the write fails.
        let limit = channel.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        defer { limit.cancel() }
        do { try await channel.writeAndFlush(ByteBuffer(bytes: line)) } catch {
            throw CloudletError(.unavailable, "a client at the control socket has gone away", cause: error)
        }
    }

    /// Waits until the connection is closed by either side.
    func waitForClose() async { try? await channel.closeFuture.get() }

    /// Closes it. What was sent before goes out.
    func close() { channel.close(promise: nil) }
}

/// Reads one line. What comes after it is dropped.
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
