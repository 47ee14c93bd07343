// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A network interface with the addresses by which it can be reached now.
package struct NetworkInterface: Hashable, Sendable {
    /// The kernel's number; an interface that is created again gets a new one.
    package var index: Int32
    /// Its name, as in `eth0`.
    package var name: String
    /// What kind of virtual interface it is (`veth`, `bridge`, `wireguard` …); empty for hardware.
    package var kind: String
    /// Whether it is enabled and has a carrier.
    package var isUp: Bool
    /// Whether it supports multicast.
    package var isMulticast: Bool
    /// Whether it is the loopback interface.
    package var isLoopback: Bool
    /// Whether it is a link between two hosts (PPP, most VPNs).
    package var isPointToPoint: Bool
    /// The kernel's number of the hardware type (ARPHRD_ in if_arp.h): 1 is Ethernet or looks like it.
    package var hardwareType: UInt16 = 1
    /// The kind of the interface that it is a port of (`bridge`, `bond` …); empty when it is not a port.
    package var portOf = ""
    /// Whether it belongs to a device on a bus of the machine.
    package var hasDevice = false
    /// Addresses that can be bound and used: duplicate detection has finished, and they are still valid. Deprecated
    /// ones come last.
    package var addresses: [InterfaceAddress]

    /// Creates an interface of Ethernet's type that is not a port of another.
    package init(
        index: Int32, name: String, kind: String = "", isUp: Bool = true, isMulticast: Bool = true,
        isLoopback: Bool = false, isPointToPoint: Bool = false, addresses: [InterfaceAddress] = []
    ) {
        self.index = index
        self.name = name
        self.kind = kind
        self.isUp = isUp
        self.isMulticast = isMulticast
        self.isLoopback = isLoopback
        self.isPointToPoint = isPointToPoint
        self.addresses = addresses
    }

    /// Whether a sender's address belongs to this link: in the prefix of one of its addresses, link-local, or the
    /// machine itself on loopback.
    package func isOnLink(_ source: IPAddress) -> Bool {
        if !source.isV4, source.isLinkLocal { return true }
        return addresses.contains { $0.address.shares(prefix: $0.prefixLength, with: source) }
    }

    /// Whether an address is the broadcast address or the network address of one of the interface's IPv4 prefixes (RFC
    /// 1122 §3.2.1.3): the last or the first address of the prefix.
    package func isBroadcast(_ address: IPAddress) -> Bool {
        guard case .v4(let value) = address else { return false }
        return addresses.contains { own in
            let host = UInt32.max >> UInt32(clamping: own.prefixLength)
            return own.address.isV4 && own.prefixLength < 31
                && own.address.shares(prefix: own.prefixLength, with: address)
                && (value & host == host || value & host == 0)
        }
    }
}

/// An address of an interface.
package struct InterfaceAddress: Hashable, Sendable {
    /// The address.
    package var address: IPAddress
    /// The number of leading bits that identify the link.
    package var prefixLength: Int
    /// Whether it is an additional address of the same link, or a privacy address, which changes often.
    package var isSecondary: Bool
    /// Whether it is an IPv6 address that is still valid but must not be used for new connections if there is another
    /// (RFC 4862 §5.5.4). Always `false` for IPv4, where the preferred lifetime of an address has no meaning.
    package var isDeprecated: Bool

    /// Creates an address.
    package init(
        _ address: IPAddress, prefixLength: Int, isSecondary: Bool = false, isDeprecated: Bool = false
    ) {
        self.address = address
        self.prefixLength = prefixLength
        self.isSecondary = isSecondary
        self.isDeprecated = isDeprecated
    }
}

extension NetworkInterface {
    /// Its addresses in the form that programs of this host need to listen or to connect there.
    package var scopedAddresses: [ScopedAddress] { addresses.map { ScopedAddress($0.address, on: name) } }

    /// Whether a zone means this interface: by its name or by its number (RFC 4007 §11.2).
    package func isZone(_ zone: String) -> Bool { zone == name || zone == String(index) }

    /// Name and addresses for a log line.
    package var summary: String { "\(name)(\(addresses.map(\.address.description).joined(separator: ",")))" }
}
