package import CNetwork

/// One end of a datagram or a connection: address, port and, for link-local IPv6, the interface.
package struct Peer: Hashable, Sendable {
    package var address: IPAddress
    package var port: UInt16
    package var interface: Int32 = 0

    /// As the C library takes it.
    package var raw: cloudlet_peer {
        switch address {
        case .v4(let value): return cloudlet_peer(is_v6: 0, port: port, scope: 0, high: 0, low: UInt64(value))
        case .v6(let high, let low):
            let scope = address.isLinkLocal || high >> 56 == 0xFF ? UInt32(interface) : 0
            return cloudlet_peer(is_v6: 1, port: port, scope: scope, high: high, low: low)
        }
    }

    package init(_ address: IPAddress, _ port: UInt16, on interface: Int32 = 0) {
        self.address = address
        self.port = port
        self.interface = interface
    }

    /// From what the C library gave; IPv4 mapped into IPv6 is taken as IPv4.
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
