// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem
import Synchronization

/// Sends requests to the node that runs in a home directory.
package struct ControlClient: Sendable {
    private let home: CloudletHome

    /// How long a working node takes at most to reply.
    package static let timeout = Duration.seconds(10)

    /// Creates a client of the node in this home.
    package init(_ home: CloudletHome) { self.home = home }

    /// Sends a request.
    /// - Returns: the replies; `nil` when no program listens at the control socket.
    /// - Throws: `CloudletError.unavailable` when the node does not accept the connection.
    package func send<Request: ControlRequest>(
        _ request: Request
    ) async throws(CloudletError) -> ControlReplies<Request>? {
        let line = try ControlProtocol.line(ControlRequestMessage(body: request))
        let path = home.controlSocket
        let socket = try await blocking { () throws(CloudletError) -> File? in
            guard let socket = try LocalStream.connect(to: path, timeout: Self.timeout) else { return nil }
            try socket.writeAll(line.span)
            return socket
        }
        return socket.map { ControlReplies($0) }
    }
}

/// The replies to a request, in order. Only one task may read them.
package final class ControlReplies<Request: ControlRequest>: Sendable {
    private let socket: File
    private let received = Mutex(LineBuffer())

    init(_ socket: File) { self.socket = socket }

    /// The next reply.
    /// - Parameter limit: how long to wait for it; `nil` waits indefinitely.
    /// - Returns: the reply; `nil` when the node has closed the connection, which it does after the last reply.
    /// - Throws: the error that the node replies with; `CloudletError.unavailable` when no reply comes in time,
    ///   `.protocolViolation` when the node sends something else than a reply, `.interrupted` when the task is
    ///   cancelled.
    package func next(within limit: Duration?) async throws(CloudletError) -> Request.Reply? {
        let result: Result<[UInt8]?, CloudletError> = await withTaskCancellationHandler {
            do throws(CloudletError) {
                return .success(try await blocking { () throws(CloudletError) in try self.line(within: limit) })
            } catch {
                return .failure(error)
            }
        } onCancel: {
            // Wake the thread that waits for the socket.
            socket.shutDown()
        }
        if Task.isCancelled { throw CloudletError(.interrupted, "interrupted") }
        guard let line = try result.get() else { return nil }
        let reply = try ControlProtocol.read(ControlReplyMessage<Request.Reply>.self, line)
        if let failure = reply.error { throw failure.error }
        guard reply.version == ControlProtocol.version, let body = reply.body else {
            throw CloudletError(
                .protocolViolation,
                "the node speaks version \(reply.version) of the control protocol, this program version "
                    + "\(ControlProtocol.version)", advice: "use the program 'cloudlet' of the node's version")
        }
        return body
    }

    /// Waits for the reply to a request that has only one.
    /// - Throws: the errors of ``next(within:)``; also when the node closes the connection without a reply.
    package func only() async throws(CloudletError) -> Request.Reply {
        guard let reply = try await next(within: ControlClient.timeout) else {
            throw CloudletError(.unavailable, "the node closed its control connection before it replied")
        }
        return reply
    }

    /// Waits for a line; `nil` at the end of the stream. Blocks.
    private func line(within limit: Duration?) throws(CloudletError) -> [UInt8]? {
        let deadline = limit.map { ContinuousClock.now + $0 }
        return try received.withLock { (received) throws(CloudletError) in
            while true {
                if let line = received.next() { return line }
                guard received.count < ControlProtocol.maximumReplyBytes else {
                    throw CloudletError(.protocolViolation, "the node's reply is too long")
                }
                guard let bytes = try socket.receive(atMost: 256 << 10, before: deadline) else {
                    throw CloudletError(
                        .unavailable,
                        "the node does not answer at \(socket.path)" + (limit.map { " within \($0.shown)" } ?? ""),
                        advice: "see the node's log, or restart cloudlet-node")
                }
                if bytes.isEmpty { return nil }
                received.append(bytes)
            }
        }
    }
}
