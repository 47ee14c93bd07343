import CNetwork
import CloudletCore
import CloudletSystem
import Glibc
import SystemPackage

/// What is possible while other programs of this machine use the network.
package enum PortUse {
    /// Whether another program can bind a UDP port that is in use, as SSDP programs do (UDA 2.0 §1.1).
    package static func canShareUDP(_ port: UInt16) -> Bool {
        let socket = cloudlet_udp_socket(AF_INET)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        _ = cloudlet_set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1)
        return cloudlet_bind4(socket, 0, port) == 0
    }

    /// Whether the kernel has a route for multicast of programs that name no interface.
    package static var hasMulticastRoute: Bool {
        let socket = cloudlet_udp_socket(AF_INET)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        return cloudlet_connect(socket, Endpoint(.v4(0xEFFF_FFFA), 1900).raw) == 0
    }
}
