// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
import CloudletCore
import CloudletSystem
import Glibc

/// Finds TCP ports on which no program listens.
package enum TCPPort {
    /// Returns `preferred` if it is free at all addresses, otherwise the next free port, or a random one above the
    /// ports that Linux gives to outgoing connections; for 0 always a random one.
    package static func free(preferred: UInt16, at interfaces: [NetworkInterface]) -> UInt16 {
        let addresses = interfaces.flatMap { interface in interface.addresses.map { ($0.address, interface.index) } }
        let next = preferred == 0 ? [] : Array(preferred...(preferred < .max - 16 ? preferred + 16 : preferred))
        for port in next + (0..<64).map({ _ in .random(in: 61000...65535) }) {
            if addresses.allSatisfy({ isFree(port, at: $0, interface: $1) }) { return port }
        }
        return preferred
    }

    /// Whether a listener could be bound. A port counts as free at an address that does not exist (any more).
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
