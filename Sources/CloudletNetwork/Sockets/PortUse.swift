// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
import CloudletCore
import CloudletSystem
import Glibc
import SystemPackage

/// Checks how this program can use the network beside other programs of the machine.
package enum PortUse {
    /// Whether this program can bind a UDP port that others use in shared mode, as SSDP programs do (UDA 2.0 §1.1).
    package static func canShareUDP(_ port: UInt16) -> Bool {
        let socket = cloudlet_udp_socket(AF_INET)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        _ = cloudlet_set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1)
        return cloudlet_bind4(socket, 0, port) == 0
    }

    /// Whether the kernel has a route for multicast packets of programs that name no interface.
    package static var hasMulticastRoute: Bool {
        let socket = cloudlet_udp_socket(AF_INET)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        return cloudlet_connect(socket, Endpoint(.v4(0xEFFF_FFFA), 1900).raw) == 0
    }
}
