// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem

/// A GET of a small document from a host of the LAN, over a connection of its own that never blocks. It asks by HTTP/1.0,
/// so that the answer is not chunked and ends with the connection. Its size is bounded; redirects are not followed.
final class HTTPFetch {
    /// The connection.
    let connection: TCPAttempt
    private let peer: Endpoint
    private let request: [UInt8]
    private var sent = 0
    private var received: [UInt8] = []
    private var head: HTTPAnswer.Head?
    private let limit: Int

    /// Starts to connect.
    /// - Throws: `CloudletError` when no connection can be started.
    init(_ path: String, from peer: Endpoint, limit: Int = 256 << 10) throws(CloudletError) {
        self.peer = peer
        self.limit = limit
        let host = "\(peer)"
        request = Array("GET \(path) HTTP/1.0\r\nHost: \(host)\r\nConnection: close\r\n\r\n".utf8)
        connection = try TCPAttempt(to: peer)
    }

    /// Whether the socket is watched for writing.
    var isSending: Bool { sent < request.count }

    /// Continues when the socket is ready.
    /// - Returns: the answer when it is complete.
    /// - Throws: `CloudletError`: `unavailable` when the connection fails, `protocolViolation` for an answer that is not
    ///   HTTP, too large or cut off.
    func proceed() throws(CloudletError) -> HTTPAnswer? {
        try connection.finishConnecting()
        if isSending {
            sent += try connection.send(request[sent...])
            return nil
        }
        let goesOn = try connection.receive(onto: &received)
        guard received.count <= limit else { throw refused("is too large") }
        if head == nil { head = try HTTPAnswer.Head(parsing: received) }
        if let head, let answer = try head.answer(in: received, isComplete: !goesOn, connection.roundTrip ?? .zero) {
            return answer
        }
        if !goesOn { throw refused("was cut off") }
        return nil
    }

    private func refused(_ text: String) -> CloudletError {
        CloudletError(.protocolViolation, "the answer of \(peer.address) \(text)")
    }
}

/// The answer to a GET.
struct HTTPAnswer: Sendable {
    /// The status code.
    let status: Int
    /// The body.
    let body: [UInt8]
    /// How long the TCP connection took to open: one round trip.
    let roundTrip: Duration

    /// Status line and headers.
    struct Head: Sendable {
        let status: Int
        /// Index of the body's first byte.
        let end: Int
        /// Bytes of the body, if a header names them.
        let length: Int?

        private static let maximumBytes = 16 << 10

        /// Reads status line and headers (RFC 9112 §4, §5); `nil` while they are not complete.
        init?(parsing bytes: [UInt8]) throws(CloudletError) {
            guard let end = Self.end(of: bytes) else {
                if bytes.count > Self.maximumBytes || !bytes.starts(with: "HTTP/1.".utf8.prefix(bytes.count)) {
                    throw CloudletError(.protocolViolation, "the answer is not HTTP")
                }
                return nil
            }
            self.end = end
            var lines = String(decoding: bytes[..<end], as: UTF8.self).split { $0 == "\r\n" || $0 == "\n" }[...]
            let first = (lines.popFirst() ?? "").split(separator: " ", maxSplits: 2)
            guard first.count >= 2, first[0].hasPrefix("HTTP/1."), let status = Int(first[1]), 100...599 ~= status
            else {
                throw CloudletError(.protocolViolation, "the answer is not HTTP")
            }
            self.status = status
            var length: Int?
            for line in lines {
                guard let colon = line.firstIndex(of: ":") else { continue }
                let value = line[line.index(after: colon)...].filter { $0 != " " && $0 != "\t" }
                switch line[..<colon].lowercased() {
                case "content-length":
                    guard let count = Int(value), count >= 0, length == nil || length == count else {
                        throw CloudletError(.protocolViolation, "the answer has two or invalid Content-Length headers")
                    }
                    length = count
                case "transfer-encoding":
                    throw CloudletError(
                        .protocolViolation, "the answer has a transfer encoding, which HTTP/1.0 does not support")
                default: break
                }
            }
            self.length = length
        }

        private static func end(of bytes: [UInt8]) -> Int? {
            var lineLength = 0
            for (index, byte) in bytes.prefix(maximumBytes).enumerated() {
                if byte == UInt8(ascii: "\n") {
                    if lineLength == 0 { return index + 1 }
                    lineLength = 0
                } else if byte != UInt8(ascii: "\r") {
                    lineLength += 1
                }
            }
            return nil
        }

        /// The whole answer, or `nil` while bytes are missing; `isComplete` says that the connection has ended.
        func answer(
            in bytes: [UInt8], isComplete: Bool, _ roundTrip: Duration
        ) throws(CloudletError) -> HTTPAnswer? {
            let body = bytes[end...]
            if let length {
                guard body.count >= length else { return nil }
                return HTTPAnswer(status: status, body: Array(body.prefix(length)), roundTrip: roundTrip)
            }
            return isComplete ? HTTPAnswer(status: status, body: Array(body), roundTrip: roundTrip) : nil
        }
    }
}
