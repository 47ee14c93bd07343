// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSystem
import Glibc
import Synchronization

/// Sends from a socket of an endpoint without a NIO channel: NIO closes a channel after almost every send error, and a
/// datagram from an odd source address, or a network that is down, suffices to cause one.
final class SSDPSender: Sendable {
    /// -1 when closed.
    private let descriptor: Mutex<Int32>

    /// Takes over a socket.
    init(adopting socket: Int32) { descriptor = Mutex(socket) }

    /// Duplicates the descriptor of `socket`, which a channel owns.
    /// - Throws: `CloudletError` when the system has no more descriptors.
    init(copying socket: Int32) throws(CloudletError) {
        let copy = fcntl(socket, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw CloudletError(errno: errno, "can't send an SSDP message") }
        descriptor = Mutex(copy)
    }

    deinit { close() }

    /// Sends a message. When the network can't take it now (`ENETUNREACH`, `ENOBUFS`), the message is lost, as it could
    /// be lost in transit.
    /// - Returns: whether it was sent.
    @discardableResult func send(_ message: SSDPMessage, to target: Endpoint) -> Bool {
        descriptor.withLock { $0 >= 0 && DatagramSocket.send(message.bytes, from: $0, to: target) }
    }

    /// Closes the descriptor: as long as one is open, the socket receives packets that other programs on its port
    /// should receive.
    func close() {
        descriptor.withLock {
            if $0 >= 0 { Glibc.close($0) }
            $0 = -1
        }
    }
}
