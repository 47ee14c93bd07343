// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
package import CloudletCore
import CloudletSystem
import Glibc
import Synchronization

/// A host on one of this machine's links.
package struct Neighbour: Hashable, Sendable {
    package let address: IPAddress
    /// The interface of the link.
    package let interface: Int32

    package init(address: IPAddress, interface: Int32) {
        self.address = address
        self.interface = interface
    }
}

/// The kernel's knowledge about hosts on the machine's links, from ARP or neighbour discovery (rtnetlink(7)).
package final class NeighbourTable: Sendable {
    private struct State {
        var socket: Int32
        var number: UInt32 = 0
    }

    private let state: Mutex<State>

    /// - Throws: `CloudletError` when the kernel can't be asked.
    package init() throws(CloudletError) {
        let socket = cloudlet_netlink_open(0)
        guard socket >= 0 else { throw CloudletError(errno: errno, "can't ask the kernel for its neighbours") }
        state = Mutex(State(socket: socket))
    }

    deinit { state.withLock { _ = close($0.socket) } }

    /// Whether a packet to the host leaves at once, because its hardware address is known or not needed. Otherwise
    /// packets to the host wait in the kernel, charged to the socket that sent them, until the host is found or given
    /// up after some seconds. When the kernel does not report it (before Linux 5.0), every host counts as known.
    package func knows(_ host: Neighbour) -> Bool {
        let known = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP
        let bytes = host.address.bytes
        let family = host.address.isV4 ? AF_INET : AF_INET6
        return state.withLock { state in
            state.number &+= 1
            let found = unsafe cloudlet_neighbour_state(state.socket, host.interface, family, bytes, state.number)
            return found < 0 ? errno != ENOENT : found & known != 0
        }
    }
}
