/// A network interface with the addresses it can be reached by now.
package struct NetworkInterface: Hashable, Sendable {
    /// The kernel's number; a new one when the interface is made again.
    package var index: Int32
    /// Its name, as in `eth0`.
    package var name: String
    /// What kind of virtual interface it is (`veth`, `bridge`, `wireguard` …); empty for hardware.
    package var kind: String
    /// Switched on and with a carrier.
    package var isUp: Bool
    /// Whether it can send to many.
    package var isMulticast: Bool
    /// The machine's inside.
    package var isLoopback: Bool
    /// A link between two ends (PPP, most VPNs).
    package var isPointToPoint: Bool
    /// What it carries, as the kernel numbers it (ARPHRD_ of if_arp.h): 1 is Ethernet, and what looks like it.
    package var hardwareType: UInt16
    /// The kind of the interface that it is a port of (`bridge`, `bond` …); empty when it is none.
    package var portOf: String
    /// Whether there is a device behind it, on a bus of the machine.
    package var hasDevice: Bool
    /// Addresses that can be bound and used: duplicate detection done, still valid. Those that are deprecated come last.
    package var addresses: [InterfaceAddress]

    /// Creates an interface from its parts.
    package init(
        index: Int32, name: String, kind: String = "", isUp: Bool = true, isMulticast: Bool = true,
        isLoopback: Bool = false, isPointToPoint: Bool = false, hardwareType: UInt16 = 1, portOf: String = "",
        hasDevice: Bool = false, addresses: [InterfaceAddress] = []
    ) {
        self.index = index
        self.name = name
        self.kind = kind
        self.isUp = isUp
        self.isMulticast = isMulticast
        self.isLoopback = isLoopback
        self.isPointToPoint = isPointToPoint
        self.hardwareType = hardwareType
        self.portOf = portOf
        self.hasDevice = hasDevice
        self.addresses = addresses
    }

    /// Whether a sender's address belongs to this link: in the prefix of one of its addresses, link-local, or the
    /// machine itself on loopback.
    package func isOnLink(_ source: IPAddress) -> Bool {
        if !source.isV4, source.isLinkLocal { return true }
        return addresses.contains { $0.address.shares(prefix: $0.prefixLength, with: source) }
    }

    /// Whether an address means all hosts of a link of this interface, or none (RFC 1122 §3.2.1.3): the last or the
    /// first of a prefix of IPv4.
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
    /// How many leading bits name the link.
    package var prefixLength: Int
    /// A further address of the same link, or one made for privacy that changes often.
    package var isSecondary: Bool
    /// An IPv6 address that is still valid but is not to be used for anything new where there is another (RFC 4862
    /// §5.5.4). IPv4 knows no such thing: there the preferred life time of an address means nothing.
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
    /// Its addresses as programs of this host name them, to listen or to connect there.
    package var scopedAddresses: [ScopedAddress] { addresses.map { ScopedAddress($0.address, on: name) } }

    /// Whether a zone means this interface: by its name or by its number (RFC 4007 §11.2).
    package func isZone(_ zone: String) -> Bool { zone == name || zone == String(index) }

    /// Name and addresses for a log line.
    package var summary: String { "\(name)(\(addresses.map(\.address.description).joined(separator: ",")))" }
}
