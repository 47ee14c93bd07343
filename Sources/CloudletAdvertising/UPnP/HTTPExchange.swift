import CloudletCore
import CloudletNetwork
import NIOCore
import NIOHTTP1
import NIOPosix

/// One request to a host of the LAN and its answer, over a connection of its own: small, bounded in time and size. It
/// connects to literal addresses only and follows no redirects.
struct HTTPExchange: Sendable {
    /// The status code.
    let status: Int
    /// The answer's headers, names in lower case; of equal names the last.
    let headers: [String: String]
    /// The body.
    let body: [UInt8]
    /// How long the connection took to be made: one round trip.
    let roundTrip: Duration

    /// What to ask of whom.
    struct Request: Sendable {
        var method: HTTPMethod = .GET
        var host: HostAndPort
        /// The interface an IPv6 link-local address is on.
        var interface: Int32 = 0
        var path: String
        var headers: [(String, String)] = []
        var body: [UInt8] = []
        /// Seconds until all must be done.
        var timeout: Duration = .seconds(3)
        /// Largest accepted body in bytes.
        var limit = 64 << 10
    }

    /// Sends `request` and waits for the whole answer.
    /// - Throws: `CloudletError`: `unavailable` when there is no connection, `protocolViolation` for an answer that is
    ///   none or too large, `busy` when the time is over.
    static func perform(_ request: Request) async throws -> HTTPExchange {
        try await withDeadline(request.timeout, "\(request.host.address.urlHost):\(request.host.port) does not answer")
        {
            let start = ContinuousClock.now
            let channel = try await connect(request)
            let roundTrip = ContinuousClock.now - start
            do {
                return try await channel.executeThenClose { inbound, outbound in
                    // In one go: a server may answer and close before a second write.
                    let body: [HTTPClientRequestPart] =
                        request.body.isEmpty ? [] : [.body(.byteBuffer(ByteBuffer(bytes: request.body)))]
                    try await outbound.write(contentsOf: [.head(head(of: request))] + body + [.end(nil)])
                    return try await collect(inbound, request, roundTrip)
                }
            } catch let error as HTTPParserError {
                throw CloudletError(.protocolViolation, "\(request.host.address) does not speak HTTP", cause: error)
            } catch {
                throw CloudletError.wrapping(error, .unavailable, "\(request.host.address) broke off the connection")
            }
        }
    }

    /// Makes a connection and closes it again.
    /// - Returns: how long it took: one round trip.
    static func connectOnly(_ host: HostAndPort, interface: Int32, timeout: Duration) async throws -> Duration {
        let start = ContinuousClock.now
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.nanoseconds(Int64(timeout.seconds * 1e9)))
                .connect(to: SocketAddress(host.address, port: host.port, interface: interface)).get()
            let roundTrip = ContinuousClock.now - start
            channel.close(promise: nil)
            return roundTrip
        } catch {
            throw CloudletError(.unavailable, "port \(host.port) of \(host.address) is not open", cause: error)
        }
    }

    private static func connect(
        _ request: Request
    ) async throws -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart> {
        let target = SocketAddress(request.host.address, port: request.host.port, interface: request.interface)
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.nanoseconds(Int64(request.timeout.seconds * 1e9)))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connect(to: target) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw CloudletError(
                .unavailable, "no connection to \(request.host.address.urlHost):\(request.host.port)", cause: error)
        }
    }

    private static func head(of request: Request) -> HTTPRequestHead {
        var headers = HTTPHeaders([("Host", "\(request.host.address.urlHost):\(request.host.port)")])
        headers.add(contentsOf: request.headers)
        headers.add(name: "Connection", value: "close")
        if !request.body.isEmpty { headers.add(name: "Content-Length", value: String(request.body.count)) }
        return HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path, headers: headers)
    }

    private static func collect(
        _ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>, _ request: Request, _ roundTrip: Duration
    ) async throws -> HTTPExchange {
        var head: HTTPResponseHead?
        var body: [UInt8] = []
        for try await part in inbound {
            switch part {
            case .head(let received): head = received
            case .body(let piece):
                body += piece.readableBytesView
                guard body.count <= request.limit else {
                    throw CloudletError(.protocolViolation, "the answer of \(request.host.address) is too large")
                }
            case .end:
                guard let head else { break }
                let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { $1 }
                return HTTPExchange(
                    status: Int(head.status.code), headers: headers, body: body, roundTrip: roundTrip)
            }
        }
        throw CloudletError(.protocolViolation, "\(request.host.address) broke off its answer")
    }
}

/// Runs `body`, cancels it when it takes longer than `time`.
/// - Throws: what `body` throws, or `CloudletError.busy` with `message` when the time is over.
func withDeadline<Value: Sendable>(
    _ time: Duration, _ message: String, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: time)
            throw CloudletError(.busy, message)
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw CloudletError(.defect, message) }
        return first
    }
}
