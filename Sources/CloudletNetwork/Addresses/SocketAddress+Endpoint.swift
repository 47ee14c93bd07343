// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
package import NIOCore

extension SocketAddress {
    /// Converts an endpoint for NIO.
    package init(_ endpoint: Endpoint) {
        let raw = endpoint.raw
        switch endpoint.address {
        case .v4(let value): self.init(cloudlet_address4(value.bigEndian, raw.port))
        case .v6(let high, let low):
            self.init(cloudlet_address6(high.bigEndian, low.bigEndian, raw.port, raw.scope))
        }
    }

    /// The interface of a link-local IPv6 address; 0 for other addresses.
    package var scope: Int32 {
        if case .v6(let inner) = self { Int32(bitPattern: cloudlet_scope6(inner.address)) } else { 0 }
    }

    /// The address without the port; an IPv4 address mapped into IPv6 becomes an IPv4 address.
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
