// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletNetwork

/// An interface's address from which a program sends SSDP messages, with the multicast group that belongs to it.
package struct SSDPLink: Hashable, Sendable {
    /// The interface.
    package let interface: NetworkInterface
    /// One of its addresses.
    package let address: IPAddress
    /// The group to send to and to join.
    package let group: IPAddress

    /// Creates a link.
    package init(interface: NetworkInterface, address: IPAddress, group: IPAddress) {
        self.interface = interface
        self.address = address
        self.group = group
    }

    /// Ignores the interface's other addresses: a link stays the same while these come and go.
    package static func == (left: Self, right: Self) -> Bool {
        left.interface.index == right.interface.index && left.interface.name == right.interface.name
            && left.address == right.address && left.group == right.group
    }

    /// Hashes what `==` compares.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(interface.index)
        hasher.combine(address)
        hasher.combine(group)
    }
}

extension SSDPLink {
    /// The links of an interface: an IPv4 address of each of its subnets, its link-local IPv6 address, and another IPv6
    /// address of each of its prefixes (UDA 2.0 Annex A). Hosts of one subnet may have no route to another, even on the
    /// same link. Deprecated addresses count only where there is no other. Loopback has IPv4 links only: it has no IPv6
    /// multicast.
    package static func all(on interface: NetworkInterface) -> [SSDPLink] {
        /// The first address of each prefix; IPv6 prefixes count as 64 bits long.
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
        func links(_ addresses: [InterfaceAddress], _ group: IPAddress) -> [SSDPLink] {
            addresses.map { SSDPLink(interface: interface, address: $0.address, group: group) }
        }
        let v4 = links(distinct(current(\.isV4), limit: maximumPrefixes), SSDPGroup.v4)
        guard !interface.isLoopback else { return v4 }
        return v4 + links(Array(current { !$0.isV4 && $0.isLinkLocal }.prefix(1)), SSDPGroup.linkLocal)
            + links(
                distinct(current { !$0.isV4 && !$0.isLinkLocal && !$0.isLoopback }, limit: maximumPrefixes),
                SSDPGroup.siteLocal)
    }

    /// The largest number of prefixes of one interface and family: each costs sockets and is announced.
    private static let maximumPrefixes = 6
}
