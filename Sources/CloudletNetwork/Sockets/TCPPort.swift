import CNetwork
import CloudletCore
import CloudletSystem
import Glibc

/// Finds TCP ports that nobody listens on.
package enum TCPPort {
    /// `preferred` when it is free at all addresses, or else the next one that is, or a random one above those that
    /// Linux gives to outgoing connections; always a random one for 0.
    package static func free(preferred: UInt16, at interfaces: [NetworkInterface]) -> UInt16 {
        let addresses = interfaces.flatMap { interface in interface.addresses.map { ($0.address, interface.index) } }
        let next = preferred == 0 ? [] : Array(preferred...(preferred < .max - 16 ? preferred + 16 : preferred))
        for port in next + (0..<64).map({ _ in .random(in: 61000...65535) }) {
            if addresses.allSatisfy({ isFree(port, at: $0, interface: $1) }) { return port }
        }
        return preferred
    }

    /// Whether a listener could be bound. An address that is not there (any more) takes no port.
    package static func isFree(_ port: UInt16, at address: IPAddress, interface: Int32) -> Bool {
        let socket = cloudlet_tcp_socket(address.isV4 ? AF_INET : AF_INET6)
        guard socket >= 0 else { return true }
        defer { close(socket) }
        _ = cloudlet_set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1)
        let result: Int32 =
            switch address {
            case .v4(let value): cloudlet_bind4(socket, value.bigEndian, port)
            case .v6:
                unsafe cloudlet_bind6(socket, address.bytes, port, address.isLinkLocal ? UInt32(interface) : 0)
            }
        return result == 0 || errno != EADDRINUSE
    }
}
