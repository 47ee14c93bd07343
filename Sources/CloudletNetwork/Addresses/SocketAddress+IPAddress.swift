import CNetwork
package import NIOCore

extension SocketAddress {
    /// From an address of ours; `interface` is needed for IPv6 link-local and multicast ones.
    package init(_ address: IPAddress, port: UInt16, interface: Int32 = 0) {
        switch address {
        case .v4(let value): self.init(cloudlet_address4(value.bigEndian, port))
        case .v6(let high, let low):
            let scope = address.isLinkLocal || high >> 56 == 0xFF ? UInt32(interface) : 0
            self.init(cloudlet_address6(high.bigEndian, low.bigEndian, port, scope))
        }
    }

    /// The interface an IPv6 link-local address belongs to; 0 for others.
    package var scope: Int32 {
        if case .v6(let inner) = self { Int32(bitPattern: cloudlet_scope6(inner.address)) } else { 0 }
    }

    /// The address without port; IPv4 mapped into IPv6 is taken as IPv4.
    package var address: IPAddress? {
        switch self {
        case .v4(let inner): return .v4(UInt32(bigEndian: cloudlet_bytes4(inner.address)))
        case .v6(let inner):
            let high = UInt64(bigEndian: cloudlet_bytes6(inner.address, 0))
            let low = UInt64(bigEndian: cloudlet_bytes6(inner.address, 1))
            if high == 0, low >> 32 == 0xFFFF { return .v4(UInt32(truncatingIfNeeded: low)) }
            return .v6(high: high, low: low)
        case .unixDomainSocket: return nil
        }
    }
}
