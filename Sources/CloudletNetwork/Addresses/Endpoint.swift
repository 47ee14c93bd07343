// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CNetwork

/// One end of a datagram or of a connection: an address, a port, and the interface of a link-local or multicast IPv6
/// address.
package struct Endpoint: Hashable, Sendable {
    /// The address.
    package var address: IPAddress
    /// The port.
    package var port: UInt16
    /// The number of the interface; 0 when the address needs none.
    package var interface: Int32

    /// Creates an endpoint.
    package init(_ address: IPAddress, _ port: UInt16, on interface: Int32 = 0) {
        self.address = address
        self.port = port
        self.interface = interface
    }

    /// The endpoint as a C structure.
    package var raw: cloudlet_peer {
        switch address {
        case .v4(let value): return cloudlet_peer(is_v6: 0, port: port, scope: 0, high: 0, low: UInt64(value))
        case .v6(let high, let low):
            let scope = address.isLinkLocal || address.isMulticast ? UInt32(interface) : 0
            return cloudlet_peer(is_v6: 1, port: port, scope: scope, high: high, low: low)
        }
    }

    /// Converts a C structure; an IPv4 address mapped into IPv6 becomes an IPv4 address.
    package init(_ raw: cloudlet_peer) {
        port = raw.port
        interface = Int32(bitPattern: raw.scope)
        if raw.is_v6 == 0 || raw.high == 0 && raw.low >> 32 == 0xFFFF {
            address = .v4(UInt32(truncatingIfNeeded: raw.low))
        } else {
            address = .v6(high: raw.high, low: raw.low)
        }
    }
}

extension Endpoint: CustomStringConvertible {
    /// The endpoint as the authority of a URL: `10.0.0.5:80`, `[fd00::5]:80`.
    package var description: String { "\(address.urlHost):\(port)" }
}
