// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
package import CloudletCore
import CloudletSystem
import Glibc
import SystemPackage

/// A TCP connection that never blocks: a `Poller` reports when its owner can continue. It is closed with the last
/// reference.
package final class TCPAttempt {
    /// The socket.
    package let descriptor: Int32
    private let target: Endpoint
    private let start = ContinuousClock.now
    /// The time that the connection took to open, which is one round trip; `nil` until it is open.
    package private(set) var roundTrip: Duration?

    /// Starts connecting.
    /// - Throws: `CloudletError.unavailable` when it fails at once.
    package init(to target: Endpoint) throws(CloudletError) {
        self.target = target
        descriptor = cloudlet_tcp_socket(target.address.isV4 ? AF_INET : AF_INET6)
        guard descriptor >= 0 else { throw CloudletError(errno: errno, "can't create a socket") }
        _ = cloudlet_set_option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        let result = cloudlet_connect(descriptor, target.raw)
        if result == 0 {
            roundTrip = ContinuousClock.now - start
        } else if errno != EINPROGRESS {
            throw closed(errno)
        }
    }

    deinit { close(descriptor) }

    /// Records that the connection is open. Must be called when the socket is writable.
    /// - Throws: `CloudletError.unavailable` when it failed.
    package func finishConnecting() throws(CloudletError) {
        guard roundTrip == nil else { return }
        let error = cloudlet_socket_error(descriptor)
        guard error == 0 else { throw closed(error) }
        roundTrip = ContinuousClock.now - start
    }

    /// Sends as much of `bytes` as the socket accepts.
    /// - Returns: the number of bytes sent.
    package func send(_ bytes: ArraySlice<UInt8>) throws(CloudletError) -> Int {
        let part = Array(bytes)
        let count = unsafe Glibc.send(descriptor, part, part.count, Int32(MSG_NOSIGNAL))
        if count >= 0 { return count }
        if errno == EAGAIN || errno == EINTR { return 0 }
        throw lost(errno)
    }

    /// Appends the received data, at most 64 KiB, to `bytes`.
    /// - Returns: `false` at the end of the stream.
    package func receive(onto bytes: inout [UInt8]) throws(CloudletError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let capacity = buffer.count
        let count = unsafe recv(descriptor, &buffer, capacity, 0)
        if count > 0 { bytes += buffer.prefix(count) }
        if count < 0, errno != EAGAIN, errno != EINTR { throw lost(errno) }
        return count != 0
    }

    private func closed(_ number: Int32) -> CloudletError {
        let port = "port \(target.port) of \(target.address)"
        return number == ECONNREFUSED
            ? CloudletError(.unavailable, "\(port) is not open")
            : CloudletError(.unavailable, "no connection to \(port): \(Errno(rawValue: number).description)")
    }

    private func lost(_ number: Int32) -> CloudletError {
        CloudletError(
            .unavailable, "the connection to \(target.address) was lost: \(Errno(rawValue: number).description)")
    }
}
