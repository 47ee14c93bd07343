// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
import CloudletCore
import CloudletNetwork
import CloudletSystem
import Glibc

/// The result of sending exactly the given bytes on a new TCP connection.
struct HTTPProbe: Sendable {
    /// Everything received; empty when there was no answer.
    let text: String
    /// The time until the answer was complete, the other side closed the connection, or the time limit was reached.
    let time: Duration
    /// Whether the connection was established.
    let isConnected: Bool
    /// Whether the other side closed the connection.
    let isClosed: Bool

    /// The status code; 0 for no answer.
    var status: Int { Int(text.split(separator: " ", maxSplits: 2).dropFirst().first ?? "") ?? 0 }
    /// The body.
    var body: String { text.firstRange(of: "\r\n\r\n").map { String(text[$0.upperBound...]) } ?? "" }
    /// The value of a header.
    subscript(_ name: String) -> String? {
        for line in text.prefix(upTo: text.firstRange(of: "\r\n\r\n")?.lowerBound ?? text.endIndex).split(
            separator: "\r\n")
        {
            guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name.lowercased() else {
                continue
            }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return nil
    }

    /// Sends `bytes` and waits for the answer.
    static func ask(_ target: Endpoint, _ bytes: [UInt8], timeout: Duration = .seconds(3)) async -> HTTPProbe {
        let result = try? await blocking { () throws(CloudletError) in run(target, bytes, timeout) }
        return result ?? HTTPProbe(text: "", time: .zero, isConnected: false, isClosed: true)
    }

    /// Sends a request whose first line is given, with these headers; adds Host and Connection unless they are given.
    static func ask(
        _ target: Endpoint, _ first: String, _ headers: [String] = [], host: String? = nil, body: String = "",
        timeout: Duration = .seconds(3)
    ) async -> HTTPProbe {
        var lines = [first, "Host: \(host ?? "\(target)")"] + headers + ["Connection: close"]
        if !body.isEmpty { lines.append("Content-Length: \(body.utf8.count)") }
        return await ask(target, Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8), timeout: timeout)
    }

    private static func run(_ target: Endpoint, _ bytes: [UInt8], _ timeout: Duration) -> HTTPProbe {
        let start = ContinuousClock.now
        func ended(_ received: [UInt8], connected: Bool = true, closed: Bool = false) -> HTTPProbe {
            HTTPProbe(
                text: String(decoding: received, as: UTF8.self), time: .now - start, isConnected: connected,
                isClosed: closed)
        }
        guard let connection = Connection(to: target, timeout: timeout) else { return ended([], connected: false) }
        connection.send(bytes)
        var received: [UInt8] = []
        while ContinuousClock.now - start < timeout {
            guard let piece = connection.receive(within: timeout - (.now - start)) else { return ended(received) }
            if piece.isEmpty { return ended(received, closed: true) }
            received += piece
            if isComplete(received) { return ended(received) }
        }
        return ended(received)
    }

    private static func isComplete(_ bytes: [UInt8]) -> Bool {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let head = text.firstRange(of: "\r\n\r\n") else { return false }
        let fields = text[..<head.lowerBound].lowercased().split(separator: "\r\n")
        let field = fields.first { $0.hasPrefix("content-length:") }
        guard let length = field.flatMap({ Int($0.split(separator: ":").last?.filter { $0 != " " } ?? "") }) else {
            return false
        }
        return text[head.upperBound...].utf8.count >= length
    }
}

/// A TCP connection that one thread uses.
final class Connection: Sendable {
    private let descriptor: Int32

    /// Connects, from a source address if one is given; `nil` when this fails or takes too long.
    init?(to target: Endpoint, from source: Endpoint? = nil, timeout: Duration = .seconds(3)) {
        descriptor = cloudlet_tcp_socket(target.address.isV4 ? AF_INET : AF_INET6)
        // From here on, `deinit` closes the descriptor, even if this initializer fails.
        guard descriptor >= 0 else { return nil }
        if let source, cloudlet_bind(descriptor, source.raw) != 0 { return nil }
        let result = cloudlet_connect(descriptor, target.raw)
        guard result == 0 || errno == EINPROGRESS && wait(for: Int16(POLLOUT), timeout),
            cloudlet_socket_error(descriptor) == 0
        else { return nil }
    }

    /// Takes over a connected socket.
    init(taking descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    private func wait(for events: Int16, _ timeout: Duration) -> Bool {
        cloudlet_wait_ready(descriptor, events, Int32(max(0, timeout.seconds * 1000))) != 0
    }

    /// Sends all bytes, or as many as the other side accepts within 3 s.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(64 << 10))
            let count = unsafe Glibc.send(descriptor, part, part.count, Int32(MSG_NOSIGNAL))
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EAGAIN || !wait(for: Int16(POLLOUT), .seconds(3)) {
                return
            }
        }
    }

    /// Receives the next bytes; returns an empty array at the end of the stream, and `nil` when nothing arrives in
    /// time.
    func receive(within timeout: Duration) -> [UInt8]? {
        guard wait(for: Int16(POLLIN), timeout) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = unsafe recv(descriptor, &buffer, 64 << 10, 0)
        return count > 0 ? Array(buffer.prefix(count)) : []
    }
}
