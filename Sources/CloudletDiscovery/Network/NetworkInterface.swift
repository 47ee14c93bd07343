/// A network interface with the addresses it can be reached by now.
public struct NetworkInterface: Hashable, Sendable {
    /// The kernel's number; a new one when the interface is made again.
    public var index: Int32
    /// Its name, as in `eth0`.
    public var name: String
    /// What kind of virtual interface it is (`veth`, `bridge`, `wireguard` …); empty for hardware.
    public var kind: String
    /// Switched on and with a carrier.
    public var isUp: Bool
    /// Whether it can send to many.
    public var isMulticast: Bool
    /// The machine's inside.
    public var isLoopback: Bool
    /// A link between two ends (PPP, most VPNs).
    public var isPointToPoint: Bool
    /// Addresses that can be bound and used: duplicate detection done, not deprecated.
    public var addresses: [InterfaceAddress]

    /// Creates an interface from its parts.
    public init(
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
    public func isOnLink(_ source: IPAddress) -> Bool {
        if !source.isV4, source.isLinkLocal { return true }
        return addresses.contains { $0.address.shares(prefix: $0.prefixLength, with: source) }
    }

    /// Whether an address means all hosts of a link of this interface, or none (RFC 1122 §3.2.1.3): the last or the
    /// first of a prefix of IPv4.
    public func isBroadcast(_ address: IPAddress) -> Bool {
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
public struct InterfaceAddress: Hashable, Sendable {
    /// The address.
    public var address: IPAddress
    /// How many leading bits name the link.
    public var prefixLength: Int
    /// A further address of the same link, or one made for privacy that changes often.
    public var isSecondary: Bool

    /// Creates an address.
    public init(_ address: IPAddress, prefixLength: Int, isSecondary: Bool = false) {
        self.address = address
        self.prefixLength = prefixLength
        self.isSecondary = isSecondary
    }
}

/// Which interfaces the node advertises on and listens at.
public struct InterfacePolicy: Hashable, Sendable {
    /// The only ones to use; empty for every LAN interface.
    public var names: [String]

    /// A policy confined to `names`, or, without any, one that takes all LAN interfaces: those that are up, can send to
    /// many and are no VPN, no container's and no virtual machine's; and loopback when there is no other at all.
    public init(names: [String] = []) { self.names = names }

    /// The interfaces to use, in the kernel's order; none without an address is used.
    public func choose(from interfaces: [NetworkInterface]) -> [NetworkInterface] {
        let usable = interfaces.filter { $0.isUp && !$0.addresses.isEmpty }.sorted { $0.index < $1.index }
        if !names.isEmpty { return usable.filter { names.contains($0.name) } }
        let lan = usable.filter(isLAN)
        return lan.isEmpty ? usable.filter(\.isLoopback) : lan
    }

    private func isLAN(_ interface: NetworkInterface) -> Bool {
        interface.isMulticast && !interface.isLoopback && !interface.isPointToPoint
            && !Self.tunnels.contains(interface.kind)
            && !Self.foreignNames.contains { interface.name.hasPrefix($0) }
    }

    /// Kinds of interface that lead out of the LAN or nowhere.
    private static let tunnels: Set<String> = [
        "tun", "wireguard", "ipip", "gre", "gretap", "ip6gre", "ip6tnl", "sit", "vti", "vti6", "xfrm", "vxlan",
        "geneve",
        "dummy", "ifb", "nlmon", "vcan", "wwan", "ovpn", "amneziawg",
    ]

    /// How container and VM managers, and VPN programs, name theirs.
    private static let foreignNames = [
        "docker", "br-", "veth", "virbr", "vnet", "vmnet", "vboxnet", "cni", "flannel", "cali", "cilium", "lxc", "lxd",
        "podman", "kube", "weave", "tun", "tap", "wg", "ppp", "tailscale", "zt", "nebula", "incusbr", "mpqemubr",
        "waydroid",
    ]
}
