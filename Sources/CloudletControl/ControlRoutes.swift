// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Sends the replies to one request.
package struct ControlReplySender<Reply: Codable & Sendable>: Sendable {
    private let line: @Sendable ([UInt8]) async throws(CloudletError) -> Void

    init(_ line: @escaping @Sendable ([UInt8]) async throws(CloudletError) -> Void) { self.line = line }

    /// Sends a reply.
    /// - Throws: `CloudletError` when the client has closed the connection.
    package func send(_ reply: Reply) async throws(CloudletError) {
        try await line(try ControlProtocol.line(ControlReplyMessage(body: reply)))
    }
}

/// The handler of one kind of request.
private protocol ControlRoute: Sendable {
    func answer(
        _ line: [UInt8], _ send: @escaping @Sendable ([UInt8]) async throws(CloudletError) -> Void
    ) async throws(CloudletError)
}

private struct TypedControlRoute<Request: ControlRequest>: ControlRoute {
    let body: @Sendable (Request, ControlReplySender<Request.Reply>) async throws(CloudletError) -> Void

    func answer(
        _ line: [UInt8], _ send: @escaping @Sendable ([UInt8]) async throws(CloudletError) -> Void
    ) async throws(CloudletError) {
        let message = try ControlProtocol.read(ControlRequestMessage<Request>.self, line)
        try await body(message.body, ControlReplySender(send))
    }
}

/// Maps each request to the part of the node that answers it.
package struct ControlRoutes: Sendable {
    private var routes: [String: any ControlRoute] = [:]

    /// Creates an empty table, which answers no request.
    package init() {}

    /// Adds a handler for a request. `answer` sends the replies; an error that it throws is sent to the client. It is
    /// cancelled when the client closes the connection.
    package mutating func on<Request: ControlRequest>(
        _: Request.Type,
        _ answer: @escaping @Sendable (Request, ControlReplySender<Request.Reply>) async throws(CloudletError) -> Void
    ) {
        routes[Request.name] = TypedControlRoute(body: answer)
    }

    /// Answers a request. If it is not valid or fails, the answer is an error.
    /// - Parameters:
    ///   - line: the request as it was received.
    ///   - send: sends one line to the client.
    /// - Throws: the errors of `send`.
    package func serve(
        _ line: [UInt8], _ send: @escaping @Sendable ([UInt8]) async throws(CloudletError) -> Void
    ) async throws(CloudletError) {
        do throws(CloudletError) { try await route(of: line).answer(line, send) } catch {
            try await send(try Self.line(error))
        }
    }

    /// Encodes an error as it is sent.
    package static func line(_ error: CloudletError) throws(CloudletError) -> [UInt8] {
        try ControlProtocol.line(ControlReplyMessage<Bool>(error: ControlFailure(error)))
    }

    private func route(of line: [UInt8]) throws(CloudletError) -> any ControlRoute {
        let head: ControlRequestHead
        do throws(CloudletError) { head = try ControlProtocol.read(ControlRequestHead.self, line) } catch {
            throw CloudletError(
                .protocolViolation, "the request is not a JSON object with a version and a request", cause: error.cause)
        }
        guard head.version == ControlProtocol.version else {
            throw CloudletError(
                .protocolViolation,
                "the node speaks version \(ControlProtocol.version) of the control protocol, the request has "
                    + "version \(head.version)",
                advice: "use the program 'cloudlet' of the node's version, \(ProgramVersion.text)")
        }
        guard let route = routes[head.request] else {
            throw CloudletError(
                .usage, "the node does not know the request '\(head.request.displayable(limit: 60))'",
                advice: "its version is \(ProgramVersion.text)")
        }
        return route
    }
}
