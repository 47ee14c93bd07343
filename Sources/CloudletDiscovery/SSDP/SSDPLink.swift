package import CloudletNetwork

/// An address of an interface from which SSDP is spoken, with the multicast group that fits it.
package struct SSDPLink: Hashable, Sendable {
    /// The interface.
    package let interface: NetworkInterface
    /// One of its addresses.
    package let address: IPAddress
    /// The group that is asked and listened to from there.
    package let group: IPAddress

    /// Names them.
    package init(interface: NetworkInterface, address: IPAddress, group: IPAddress) {
        self.interface = interface
        self.address = address
        self.group = group
    }

    /// It stays the same while the interface gets or loses other addresses.
    package static func == (left: Self, right: Self) -> Bool {
        left.interface.index == right.interface.index && left.interface.name == right.interface.name
            && left.address == right.address && left.group == right.group
    }

    /// Hashes what is compared.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(interface.index)
        hasher.combine(address)
        hasher.combine(group)
    }
}

extension SSDPLink {
    /// All of an interface: an IPv4 address of each of its subnets, its link-local IPv6 address, and an
    /// other IPv6 address of each of its prefixes (UDA 2.0 Annex A): hosts of one subnet may have no way to another, even
    /// on the same link. Deprecated addresses count where there is no other. On loopback IPv4 only: it has no IPv6
    /// multicast.
    package static func all(on interface: NetworkInterface) -> [SSDPLink] {
        /// The first address of each prefix; of IPv6 the first 64 bits tell which it is.
        func distinct(_ addresses: [InterfaceAddress], limit: Int) -> [InterfaceAddress] {
            var result: [InterfaceAddress] = []
            for entry in addresses where result.count < limit {
                let isNew = !result.contains { other in
                    entry.address.isV4
                        ? entry.prefixLength == other.prefixLength
                            && entry.address.shares(prefix: entry.prefixLength, with: other.address)
                        : entry.address.shares(prefix: 64, with: other.address)
                }
                if isNew { result.append(entry) }
            }
            return result
        }
        func current(_ condition: (IPAddress) -> Bool) -> [InterfaceAddress] {
            let all = interface.addresses.filter { condition($0.address) }
            let preferred = all.filter { !$0.isDeprecated }
            return preferred.isEmpty ? all : preferred
        }
        func places(_ addresses: [InterfaceAddress], _ group: IPAddress) -> [SSDPLink] {
            addresses.map { SSDPLink(interface: interface, address: $0.address, group: group) }
        }
        let v4 = places(distinct(current(\.isV4), limit: maximumPrefixes), SSDPGroup.v4)
        guard !interface.isLoopback else { return v4 }
        return v4 + places(Array(current { !$0.isV4 && $0.isLinkLocal }.prefix(1)), SSDPGroup.linkLocal)
            + places(
                distinct(current { !$0.isV4 && !$0.isLinkLocal && !$0.isLoopback }, limit: maximumPrefixes),
                SSDPGroup.siteLocal)
    }

    /// Prefixes of one interface and family that are served: each costs sockets, and is announced.
    private static let maximumPrefixes = 6
}
