// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc

/// A TCP port of a loopback address that accepts one HTTP request at a time, answers it with 200 and returns it to the
/// test.
package final class Listener: Sendable {
    /// The port.
    package let port: UInt16
    private let descriptor: Int32

    /// Opens a free port of an address, by default 127.0.0.1; `nil` when that fails.
    package init?(address host: UInt32 = 0x7F00_0001) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = host.bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, size) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        if !isBound { return nil }
    }

    deinit { close(descriptor) }

    /// Waits at most 30 s for the next request and returns its headers and body; empty when none arrives. The answer
    /// has `body` and a status line, which can contain headers too.
    package func next(answering body: String = "", status: String = "200 OK") async -> String {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "listener").async { [descriptor] in
                continuation.resume(returning: Self.accept(descriptor, body, status))
            }
        }
    }

    /// Accepts one connection and passes its descriptor to `body`, which may block.
    package func serveOnce(_ body: @escaping @Sendable (Int32) -> Void) {
        DispatchQueue(label: "listener").async { [self] in
            let client = Glibc.accept(descriptor, nil, nil)
            guard client >= 0 else { return }
            defer { close(client) }
            body(client)
        }
    }

    /// Ends waiting for connections.
    package func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    private static func accept(_ descriptor: Int32, _ body: String, _ status: String) -> String {
        let client = Glibc.accept(descriptor, nil, nil)
        guard client >= 0 else { return "" }
        defer { close(client) }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let text = String(decoding: received, as: UTF8.self)
            if let head = text.firstRange(of: "\r\n\r\n") {
                let field = text[..<head.lowerBound].split(separator: "\r\n").first {
                    $0.lowercased().hasPrefix("content-length:")
                }
                let length = field.flatMap { Int($0.split(separator: " ").last ?? "") } ?? 0
                if text[head.upperBound...].utf8.count >= length { break }
            }
            let capacity = buffer.count
            let got = unsafe recv(client, &buffer, capacity, 0)
            guard got > 0 else { break }
            received += buffer.prefix(got)
        }
        let answer = Array("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
        _ = unsafe send(client, answer, answer.count, Int32(MSG_NOSIGNAL))
        return String(decoding: received, as: UTF8.self)
    }
}
