// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Testing

@testable import CloudletNetwork

@Suite struct NetworkTests {
    private func interface(
        _ index: Int32, _ name: String, kind: String = "", _ address: String? = "10.0.0.1", isUp: Bool = true,
        isLoopback: Bool = false, isPointToPoint: Bool = false
    ) -> NetworkInterface {
        NetworkInterface(
            index: index, name: name, kind: kind, isUp: isUp, isMulticast: !isLoopback, isLoopback: isLoopback,
            isPointToPoint: isPointToPoint,
            addresses: address.flatMap { IPAddress($0) }.map { [InterfaceAddress($0, prefixLength: 24)] } ?? [])
    }

    @Test("LAN interfaces are taken; VPN, container, point-to-point, down and address-less ones are not")
    func policy() {
        let machine = [
            interface(1, "lo", "127.0.0.1", isLoopback: true), interface(2, "eth0"), interface(3, "wlan0"),
            interface(4, "docker0", kind: "bridge"), interface(5, "br0", kind: "bridge"),
            interface(6, "wg0", kind: "wireguard"),
            interface(7, "office", kind: "tun"), interface(8, "ppp0", isPointToPoint: true), interface(9, "eth1", nil),
            interface(10, "eth2", isUp: false), interface(11, "veth12ab", kind: "veth"),
            interface(12, "uplink", kind: "veth"),
        ]
        #expect(InterfacePolicy().choose(from: machine).map(\.name) == ["eth0", "wlan0", "br0", "uplink"])
        #expect(InterfacePolicy(names: ["wg0", "lo"]).choose(from: machine).map(\.name) == ["lo", "wg0"])
        #expect(InterfacePolicy(names: ["none"]).choose(from: machine).isEmpty)
        let alone = [machine[0], machine[5]]
        #expect(InterfacePolicy().choose(from: alone).map(\.name) == ["lo"])
    }

    @Test(
        "names mean nothing where the kernel says what an interface is; fixed forms of one kind do",
        arguments: [
            ("br-lan", "bridge", true), ("br-0123456789ab", "bridge", false), ("br-0123456789ag", "bridge", true),
            ("br-0123456789abc", "bridge", true), ("docker0", "bridge", false), ("docker0", "veth", false),
            ("docker-lan", "bridge", true), ("virbr0", "bridge", false), ("virbr-lan", "bridge", true),
            ("zt0", "", true), ("ztabcdefgh", "tun", false), ("tap0", "veth", true), ("tap0", "tun", false),
            ("wg-lan", "vlan", true), ("wg0", "wireguard", false), ("vnet1", "", true), ("vnet1", "tun", false),
            ("tunis0", "", true), ("pppoe-lan", "vlan", true), ("lxc-lan", "bridge", true), ("lxcbr0", "bridge", false),
            ("veth0a1b2c3", "veth", false), ("veth-lan", "veth", true), ("vethlan", "veth", true),
            ("cali0123456789a", "veth", false), ("calibration", "", true), ("kubernetes", "bond", true),
            ("vmnet8", "", false), ("vmnet-lab", "", true), ("vboxnet0", "", false), ("bond0", "bond", true),
            ("eth0.5", "vlan", true), ("mac0", "macvlan", true), ("vx", "vxlan", false), ("d", "dummy", false),
        ])
    func kinds(name: String, kind: String, isLAN: Bool) {
        let one = interface(2, name, kind: kind)
        #expect((InterfacePolicy.objection(to: one) == nil) == isLAN)
        #expect(InterfacePolicy().leftOut(of: [one]).map(\.name) == (isLAN ? [] : [name]))
        #expect(InterfacePolicy(names: [name]).choose(from: [one]) == [one])
        #expect(InterfacePolicy(names: [name]).leftOut(of: [one]).isEmpty)
    }

    @Test(
        "ports, other hardware and what can't multicast are left out with the reason; a real card is none of VMware's")
    func reasons() {
        func reason(_ change: (inout NetworkInterface) -> Void) -> String? {
            var one = interface(2, "vmnet1")
            one.hasDevice = true
            change(&one)
            return InterfacePolicy.objection(to: one)
        }
        #expect(reason { _ in } == nil && reason { $0.portOf = "vrf" } == nil)
        #expect(reason { $0.portOf = "bridge" } == "a port of a bridge")
        #expect(reason { $0.hardwareType = 519 } == "neither an Ethernet nor a wireless device")
        #expect(reason { $0.isMulticast = false } == InterfacePolicy.deaf)
        #expect(reason { $0.isPointToPoint = true } == "a point-to-point link")
        #expect(reason { $0.hasDevice = false } == "an interface of VMware")
    }

    @Test("what can't be the name of an interface is told from what may be one")
    func interfaceNames() {
        for name in ["eth0", "br-lan", "eth0.5", "wlp2s0", "ü", "a-name-of-15-by"] {
            #expect(InterfacePolicy.objection(toName: name) == nil, "\(name)")
        }
        for name in ["10.0.0.1", "10.0.0.1%1", "fe80::1%eth0", "10.0.0.1/24", "::1"] {
            #expect(InterfacePolicy.objection(toName: name)?.contains("is an address") == true, "\(name)")
        }
        for name in ["", "a-name-of-16-byt", "eth 0", "eth0:1", "a/b", "..", "eth\t0"] {
            #expect(InterfacePolicy.objection(toName: name)?.contains("not a valid name") == true, "\(name)")
        }
    }

    @Test("a sender is on the link when it shares a prefix, or is link-local IPv6; some addresses are no one's")
    func onLink() throws {
        let lan = interface(2, "eth0", "10.77.0.2")
        for (text, isOnLink) in [("10.77.0.9", true), ("fe80::1", true), ("10.78.0.9", false), ("fd77::1", false)] {
            #expect(lan.isOnLink(try #require(IPAddress(text))) == isOnLink)
        }
        for (text, isBroadcast) in [
            ("10.77.0.255", true), ("10.77.0.0", true), ("10.77.0.254", false), ("10.78.0.255", false),
            ("fe80::ffff", false),
        ] {
            #expect(lan.isBroadcast(try #require(IPAddress(text))) == isBroadcast)
        }
    }

    /// An address message: header, `ifaddrmsg`, attributes, all little-endian as on every machine this runs on.
    private func addressMessage(flags: UInt8 = 0, attributes: [UInt8]) -> [UInt8] {
        let length = UInt8(16 + 8 + attributes.count)
        return [length, 0, 0, 0, 20, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 16, flags, 0, 2, 0, 0, 0] + attributes
    }

    /// A link message for interface 2, `eth0`, up and running.
    private var linkMessage: [UInt8] {
        [
            44, 0, 0, 0, 16, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0x43, 0x10, 0, 0, 0, 0, 0, 0, 9,
            0, 3, 0,
            0x65, 0x74, 0x68, 0x30, 0, 0, 0, 0,
        ]
    }

    @Test("the kernel's messages become interfaces; tentative addresses wait")
    func netlink() throws {
        var messages = NetlinkMessages()
        try messages.add(linkMessage + addressMessage(attributes: [8, 0, 2, 0, 10, 77, 0, 2]))
        try messages.add(addressMessage(flags: 0x40, attributes: [8, 0, 2, 0, 10, 77, 0, 3]))
        try messages.add([16, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(messages.isDone)
        let found = try #require(messages.interfaces.first)
        #expect(found.name == "eth0" && found.isUp && found.isMulticast && !found.isLoopback)
        #expect(found.addresses.map(\.address.description) == ["10.77.0.2"] && found.addresses[0].prefixLength == 16)
    }

    @Test("IPv4 knows no deprecated addresses; those of IPv6 come last")
    func deprecated() throws {
        func six(_ last: UInt8, flags: UInt8) -> [UInt8] {
            var message = addressMessage(
                flags: flags,
                attributes: [20, 0, 1, 0, 0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [last])
            message[16] = 10
            return message
        }
        var messages = NetlinkMessages()
        try messages.add(linkMessage + six(1, flags: 0x20))
        try messages.add(six(2, flags: 0) + addressMessage(flags: 0x20, attributes: [8, 0, 2, 0, 10, 77, 0, 2]))
        let found = try #require(messages.interfaces.first).addresses
        #expect(found.map(\.address.description) == ["2001:db8::2", "10.77.0.2", "2001:db8::1"])
        #expect(found.map(\.isDeprecated) == [false, false, true])
    }

    @Test("messages whose lengths lie are refused or passed over, never read beyond")
    func hostileNetlink() throws {
        var messages = NetlinkMessages()
        #expect(throws: CloudletError.self) { try messages.add([255, 0, 0, 0] + [UInt8](repeating: 0, count: 16)) }
        #expect(throws: CloudletError.self) { try messages.add([UInt8](repeating: 0, count: 16)) }
        try messages.add(addressMessage(attributes: [200, 0, 2, 0, 10, 77, 0, 2]))
        try messages.add(addressMessage(attributes: [1, 0, 2, 0]))
        // The one error number that has no opposite.
        try messages.add([20, 0, 0, 0, 2, 0] + [UInt8](repeating: 0, count: 13) + [0x80])
        #expect(messages.failure == .min)
        for count in 0..<linkMessage.count {
            var cut = Array(linkMessage.prefix(count))
            if count >= 1 { cut[0] = UInt8(count) }
            try? messages.add(cut)
        }
        #expect(messages.interfaces.flatMap(\.addresses).isEmpty)
    }

    @Test("this machine's interfaces can be read, loopback among them")
    func real() throws {
        #expect(try Netlink.interfaces().contains { $0.isLoopback && $0.name == "lo" })
    }

    @Test("readers of a changing value see the newest, and nothing when nothing changes")
    func currentValue() async {
        let value = CurrentValue(1)
        var iterator = value.values().makeAsyncIterator()
        #expect(await iterator.next() == 1)
        #expect(!value.set(1))
        #expect(value.set(2) && value.set(3))
        #expect(await iterator.next() == 3)
    }
}
