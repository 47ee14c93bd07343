// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc
import SystemPackage

/// A TCP connection that checks whether the other side responds.
package final class TCPProbe: Sendable {
    private let socket: File

    /// The state of the connection.
    package enum State: Sendable {
        /// Connected; nothing has been received.
        case open
        /// The other side has sent data.
        case data
        /// The other side has closed or refused the connection.
        case closed
    }

    /// Connects to an IPv4 address. Blocks until the connection is made or refused.
    package init(address: String, port: UInt16) throws(CloudletError) {
        socket = try Self.connect(address, port)
    }

    /// A connected TCP socket. Blocks until the connection is made or refused.
    package static func connect(_ address: String, _ port: UInt16) throws(CloudletError) -> File {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw CloudletError(errno: errno, "can't make a socket") }
        let socket = File(owning: descriptor, named: FilePath("tcp:\(address):\(port)"))
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        guard unsafe inet_pton(AF_INET, address, &target.sin_addr) == 1 else {
            throw CloudletError(.usage, "'\(address)' is not an IPv4 address")
        }
        let connected = unsafe withUnsafePointer(to: &target) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw CloudletError(errno: errno, "can't connect to \(address) port \(port)") }
        return socket
    }

    /// The current state of the connection. Never waits.
    package func state() -> State {
        var byte: UInt8 = 0
        let count = unsafe recv(socket.descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        if count > 0 { return .data }
        if count == 0 { return .closed }
        return errno == EAGAIN || errno == EINTR ? .open : .closed
    }
}
