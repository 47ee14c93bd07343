// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem
import NIOCore
import NIOHTTP1
import NIOPosix

/// Sends one request to a host of the LAN and reads its answer, on a separate connection with limited time and size. It
/// connects to literal addresses only and follows no redirects.
enum HTTPExchange {
    /// A request.
    struct Request: Sendable {
        var method: HTTPMethod
        var endpoint: Endpoint
        var path: String
        var headers: [(String, String)]
        var body: [UInt8]
        /// The time within which the answer must be complete.
        var timeout: Duration
        /// The largest accepted body in bytes.
        var limit: Int
    }

    /// Sends `request` and waits for the whole answer.
    /// - Returns: the status code of the answer.
    /// - Throws: `CloudletError`: `unavailable` when no connection can be made, `protocolViolation` for an answer that
    ///   is not HTTP or is too large, `busy` when the time is over.
    @discardableResult static func perform(_ request: Request) async throws(CloudletError) -> Int {
        let answer = try await withDeadline(request.timeout) { () async throws(CloudletError) in
            let channel = try await connect(request)
            do {
                return try await channel.executeThenClose { inbound, outbound in
                    // Write head and body together: a server may answer and close the connection before a second write.
                    let body: [HTTPClientRequestPart] =
                        request.body.isEmpty ? [] : [.body(.byteBuffer(ByteBuffer(bytes: request.body)))]
                    try await outbound.write(contentsOf: [.head(head(of: request))] + body + [.end(nil)])
                    return try await status(of: inbound, request)
                }
            } catch let error as HTTPParserError {
                throw CloudletError(
                    .protocolViolation, "\(request.endpoint.address) did not answer with HTTP", cause: error)
            } catch {
                throw .wrapping(error, .unavailable, "the connection to \(request.endpoint.address) was lost")
            }
        }
        guard let answer else { throw CloudletError(.busy, "\(request.endpoint) did not answer in time") }
        return answer
    }

    private static func connect(
        _ request: Request
    ) async throws(CloudletError) -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart> {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.nanoseconds(Int64(request.timeout.seconds * 1e9)))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connect(to: SocketAddress(request.endpoint)) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw CloudletError(.unavailable, "no connection to \(request.endpoint)", cause: error)
        }
    }

    private static func head(of request: Request) -> HTTPRequestHead {
        var headers = HTTPHeaders([("Host", "\(request.endpoint)")])
        headers.add(contentsOf: request.headers)
        headers.add(name: "Connection", value: "close")
        if !request.body.isEmpty { headers.add(name: "Content-Length", value: String(request.body.count)) }
        return HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path, headers: headers)
    }

    private static func status(
        of inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>, _ request: Request
    ) async throws -> Int {
        var status: Int?
        var bodyBytes = 0
        for try await part in inbound {
            switch part {
            case .head(let head): status = Int(head.status.code)
            case .body(let piece):
                bodyBytes += piece.readableBytes
                guard bodyBytes <= request.limit else {
                    throw CloudletError(.protocolViolation, "the answer of \(request.endpoint.address) is too large")
                }
            case .end: if let status { return status }
            }
        }
        throw CloudletError(.protocolViolation, "\(request.endpoint.address) ended its answer too early")
    }
}
