import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSystem
import Glibc
import Synchronization

/// Sends by a socket of an endpoint, past any channel: NIO closes a channel at any error of a send but two, and a datagram
/// from an odd source, or a network that is down, is enough for one.
final class SSDPSender: Sendable {
    /// -1 when closed.
    private let descriptor: Mutex<Int32>

    /// Takes over a socket.
    init(adopting socket: Int32) { descriptor = Mutex(socket) }

    /// A second descriptor of `socket`, which a channel has.
    /// - Throws: `CloudletError` when there can be no more descriptors.
    init(copying socket: Int32) throws(CloudletError) {
        let copy = fcntl(socket, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw CloudletError(errno: errno, "can't send SSDP") }
        descriptor = Mutex(copy)
    }

    deinit { close() }

    /// Sends a message. A network that can't take it now (`ENETUNREACH`, `ENOBUFS`) loses it, as it would lose it on the
    /// way.
    /// - Returns: whether it was taken.
    @discardableResult func send(_ message: SSDPMessage, to target: Endpoint) -> Bool {
        descriptor.withLock { $0 >= 0 && DatagramSocket.send(message.bytes, from: $0, to: target) }
    }

    /// Gives the descriptor back: as long as one is open the socket takes packets from others on its port.
    func close() {
        descriptor.withLock {
            if $0 >= 0 { Glibc.close($0) }
            $0 = -1
        }
    }
}
