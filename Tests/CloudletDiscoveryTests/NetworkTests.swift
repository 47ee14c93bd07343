import CloudletCore
import Testing

@testable import CloudletDiscovery

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
        #expect(try NetworkMonitor.readInterfaces().contains { $0.isLoopback && $0.name == "lo" })
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
