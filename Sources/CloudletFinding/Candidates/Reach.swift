// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork

/// How far away an announced address is, seen from an interface.
enum Reach: Hashable, Sendable {
    /// On the interface's own link.
    case link
    /// On another network of the same site, behind a router.
    case site
    /// Anywhere else, or not the address of one host.
    case beyond
}

extension NetworkInterface {
    /// How far away an address is.
    ///
    /// Addresses private to sites (RFC 1918, RFC 6598, RFC 4193) are in the same site, and so are addresses that share a
    /// prefix with one of the interface's own: 48 bits of IPv6, which is what a site gets (RFC 6177), or 16 bits of IPv4.
    func reach(of address: IPAddress) -> Reach {
        if address.isLoopback { return isLoopback ? .link : .beyond }
        guard address.isUnicast, !isBroadcast(address) else { return .beyond }
        if isOnLink(address) { return .link }
        if address.isLinkLocal { return .beyond }
        let isNear = addresses.contains { own in
            !own.address.isLinkLocal && own.address.shares(prefix: address.isV4 ? 16 : 48, with: address)
        }
        return isNear || address.isPrivate ? .site : .beyond
    }
}

extension IPAddress {
    /// Whether it is private to a site: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918),
    /// 100.64.0.0/10 (RFC 6598), fc00::/7 (RFC 4193).
    var isPrivate: Bool {
        switch self {
        case .v4(let value):
            value >> 24 == 10 || value >> 20 == 0xAC1 || value >> 16 == 0xC0A8 || value >> 22 == 0x6440 >> 6
        case .v6(let high, _): high >> 57 == 0xFC >> 1
        }
    }
}
