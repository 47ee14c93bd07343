// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Chooses the interfaces on which the node advertises and listens.
package struct InterfacePolicy: Hashable, Sendable {
    /// The interfaces to use exclusively; empty for every LAN interface.
    package var names: [String]

    /// Creates a policy that uses only `names` or, if `names` is empty, all LAN interfaces: those that are up, support
    /// multicast and do not belong to a VPN, a container or a virtual machine; and loopback if there are no others.
    package init(names: [String] = []) { self.names = names }

    /// The interfaces to use, in the kernel's order; each has an address.
    package func choose(from interfaces: [NetworkInterface]) -> [NetworkInterface] {
        let usable = interfaces.filter { $0.isUp && !$0.addresses.isEmpty }.sorted { $0.index < $1.index }
        if !names.isEmpty { return usable.filter { names.contains($0.name) } }
        let lan = usable.filter { !$0.isLoopback && Self.objection(to: $0) == nil }
        return lan.isEmpty ? usable.filter(\.isLoopback) : lan
    }

    /// An interface that could be used but is not.
    package struct LeftOut: Hashable, Sendable {
        /// Its name.
        package let name: String
        /// The reason, as in `a WireGuard tunnel`.
        package let reason: String
    }

    /// The interfaces that are up and have an address but are not used; empty when the user chose the interfaces.
    package func leftOut(of interfaces: [NetworkInterface]) -> [LeftOut] {
        guard names.isEmpty else { return [] }
        return interfaces.filter { $0.isUp && !$0.addresses.isEmpty && !$0.isLoopback }.sorted { $0.index < $1.index }
            .compactMap { interface in
                Self.objection(to: interface).map { LeftOut(name: interface.name, reason: $0) }
            }
    }

    /// Why an interface does not belong to a LAN, as in `a WireGuard tunnel`; `nil` when it may. Interfaces are judged
    /// by the properties that the kernel reports, and by name only where a program gives names of a fixed form to
    /// interfaces of one kind.
    package static func objection(to interface: NetworkInterface) -> String? {
        // The ports of a VRF keep their own addresses; any other port is represented by the interface that it belongs
        // to.
        if !interface.portOf.isEmpty, interface.portOf != "vrf" { return "a port of a \(interface.portOf)" }
        if let kind = foreignKinds[interface.kind] { return kind }
        if interface.isPointToPoint { return "a point-to-point link" }
        if !lanHardware.contains(interface.hardwareType) { return "neither an Ethernet nor a wireless device" }
        if let maker = makers.first(where: { $0.made(interface) }) { return maker.text }
        return interface.isMulticast ? nil : deaf
    }

    /// Why no interface can have a name that a user gave; `nil` when one can (`dev_valid_name` in Linux).
    package static func objection(toName name: String) -> String? {
        let shown = "'\(name.displayable(limit: 40))'"
        if ScopedAddress(name.prefix { $0 != "/" }) != nil { return "\(shown) is an address" }
        guard !name.isEmpty, name.utf8.count <= 15, name != ".", name != "..",
            name.utf8.allSatisfy({ $0 != 0x2F && $0 != 0x3A && $0 != 0x20 && !(0x09...0x0D ~= $0) && $0 != 0 })
        else { return "\(shown) is not a valid name of an interface" }
        return nil
    }

    /// The reason against an interface that could be used if multicast were enabled on it.
    package static let deaf = "multicast is off"

    /// Ethernet (1), Infiniband (32) and wireless (801 to 803) devices; ARPHRD_ of if_arp.h.
    private static let lanHardware: Set<UInt16> = [1, 32, 801, 802, 803]

    /// Kinds of interfaces (IFLA_INFO_KIND) that lead out of the LAN or to no other host.
    private static let foreignKinds: [String: String] = {
        var kinds = [
            "tun": "a tunnel or tap device of a VPN or virtual machine", "wireguard": "a WireGuard tunnel",
            "amneziawg": "a WireGuard tunnel", "ovpn": "an OpenVPN tunnel", "dummy": "a dummy interface",
            "wwan": "a mobile modem", "macvtap": "an interface of a virtual machine",
            "ipvtap": "an interface of a virtual machine",
            "vrf": "a routing domain", "vxlan": "an overlay network", "geneve": "an overlay network",
        ]
        for tunnel in [
            "ipip", "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan", "ip6tnl", "sit", "vti", "vti6",
            "xfrm",
        ] { kinds[tunnel] = "an IP tunnel" }
        for inner in ["ifb", "nlmon", "vcan", "can"] { kinds[inner] = "an interface that does not lead to hosts" }
        return kinds
    }()

    /// The names that a program gives to its interfaces: a word and the form of the rest.
    private struct Maker: Sendable {
        enum Rest: Sendable {
            case nothing, number, anything
            case hexadecimal(ClosedRange<Int>)
            case alphanumeric(Int)
        }

        /// The required kind of interface; `nil` for any, for names that only this program uses.
        let kind: String?
        let word: String
        let rest: Rest
        let text: String

        /// Whether the program made the interface: it has this kind and a name of exactly this form.
        func made(_ interface: NetworkInterface) -> Bool {
            guard kind == nil || kind == interface.kind, !interface.hasDevice, interface.name.hasPrefix(word) else {
                return false
            }
            let rest = interface.name.utf8.dropFirst(word.utf8.count)
            func all(_ isRight: (UInt8) -> Bool) -> Bool { rest.allSatisfy(isRight) }
            func isDigit(_ byte: UInt8) -> Bool { 0x30...0x39 ~= byte }
            func isHexadecimal(_ byte: UInt8) -> Bool { isDigit(byte) || 0x61...0x66 ~= byte }
            return switch self.rest {
            case .nothing: rest.isEmpty
            case .anything: !rest.isEmpty
            case .number: !rest.isEmpty && all(isDigit)
            case .hexadecimal(let count): count.contains(rest.count) && all(isHexadecimal)
            case .alphanumeric(let count):
                rest.count == count && all { isDigit($0) || 0x41...0x5A ~= $0 & 0xDF } && rest.contains(where: isDigit)
            }
        }
    }

    private static let makers: [Maker] = {
        func bridge(_ word: String, _ rest: Maker.Rest, _ text: String) -> Maker {
            Maker(kind: "bridge", word: word, rest: rest, text: text)
        }
        func pair(_ word: String, _ rest: Maker.Rest, _ text: String = "an interface of a container") -> Maker {
            Maker(kind: "veth", word: word, rest: rest, text: text)
        }
        return [
            Maker(kind: nil, word: "docker0", rest: .nothing, text: "a bridge of Docker"),
            Maker(kind: nil, word: "docker_gwbridge", rest: .nothing, text: "a bridge of Docker"),
            bridge("br-", .hexadecimal(12...12), "a bridge of Docker"),
            bridge("virbr", .number, "a bridge of libvirt"), bridge("lxcbr", .number, "a bridge of LXC"),
            bridge("lxdbr", .number, "a bridge of LXD"), bridge("incusbr", .number, "a bridge of Incus"),
            bridge("mpqemubr", .number, "a bridge of Multipass"), bridge("waydroid", .number, "a bridge of Waydroid"),
            bridge("podman", .number, "a bridge of Podman"), bridge("cni-podman", .number, "a bridge of Podman"),
            bridge("cni", .number, "a bridge of containers"), bridge("nerdctl", .number, "a bridge of containers"),
            bridge("weave", .nothing, "a bridge of containers"),
            bridge("kube-bridge", .nothing, "a bridge of containers"),
            pair("veth", .hexadecimal(1...11)), pair("veth", .alphanumeric(6)), pair("vethwe-", .anything),
            pair("cali", .hexadecimal(11...11)), pair("lxc", .hexadecimal(12...12)), pair("lxc_health", .nothing),
            pair("cilium_host", .nothing), pair("cilium_net", .nothing), pair("ve-", .anything),
            Maker(kind: "", word: "vmnet", rest: .number, text: "an interface of VMware"),
            Maker(kind: "", word: "vboxnet", rest: .number, text: "an interface of VirtualBox"),
        ]
    }()
}
