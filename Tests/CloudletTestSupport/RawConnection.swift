// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc

/// A TCP connection on which a test sends exact bytes, even such that no client library would send.
package final class RawConnection: Sendable {
    private let descriptor: Int32

    /// Connects to a port of an address, by default 127.0.0.1; `nil` when no program listens. Each wait for an answer
    /// ends after `timeout` seconds, by default longer than a busy machine needs.
    package init?(address host: UInt32 = 0x7F00_0001, port: UInt16, timeout: Int = 30) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: timeout, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = host.bigEndian
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // `deinit` closes the descriptor: it runs because all stored properties are set.
        if result != 0 { return nil }
    }

    deinit { close(descriptor) }

    /// Sends text.
    package func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Waits for the next bytes, at most 16 KiB. Blocks the calling thread.
    package func receiveNow() -> String {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        let got = unsafe recv(descriptor, &buffer, 16 << 10, 0)
        return String(decoding: buffer.prefix(max(0, got)), as: UTF8.self)
    }

    /// Everything received until the other side closes, the time is over, or `limit` bytes have arrived.
    package func receive(limit: Int = 1 << 20) async -> String {
        await withCheckedContinuation { continuation in
            // Not on a thread of the common pool, which the other side of the test may need.
            DispatchQueue(label: "connection").async { [self] in continuation.resume(returning: read(limit)) }
        }
    }

    /// Waits until the other side closes the connection.
    /// - Returns: `false` when the other side does not close it in time.
    package func isClosed() async -> Bool {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "connection").async { [self] in
                _ = read(1 << 20)
                var byte: UInt8 = 0
                let got = unsafe recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
                continuation.resume(returning: got == 0 || got < 0 && errno != EAGAIN)
            }
        }
    }

    private func read(_ limit: Int) -> String {
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while result.count < limit {
            let capacity = buffer.count
            let got = unsafe recv(descriptor, &buffer, capacity, 0)
            guard got > 0 else { break }
            result += buffer.prefix(got)
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Sends a request on a new connection and returns the whole answer; empty when there is none.
    package static func ask(_ port: UInt16, _ request: String) async -> String {
        guard let connection = RawConnection(port: port) else { return "" }
        connection.send(request)
        return await connection.receive()
    }
}
