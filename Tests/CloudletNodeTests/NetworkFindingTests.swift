// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import Testing

@testable import CloudletNode

/// What the doctor says of the machine's interfaces.
@Suite struct NetworkFindingTests {
    private func interface(_ name: String, _ change: (inout NetworkInterface) -> Void = { _ in }) -> NetworkInterface {
        var one = NetworkInterface(
            index: 2, name: name, addresses: [InterfaceAddress(.v4(0x0A4D_0002), prefixLength: 24)])
        change(&one)
        return one
    }

    private func examine(_ machine: [NetworkInterface], names: [String] = [], route: Bool = true) -> Finding {
        Doctor.network(machine, names: names, hasMulticastRoute: route)
    }

    private var lo: NetworkInterface { interface("lo") { $0.isLoopback = true } }

    @Test(
        "an interface that is left out is told with the reason, whether there is another or not",
        arguments: [
            ("docker0", "bridge", "a bridge of Docker"), ("br-0123456789ab", "bridge", "a bridge of Docker"),
            ("virbr0", "bridge", "a bridge of libvirt"), ("veth12ab34c", "veth", "an interface of a container"),
            ("vmnet8", "", "an interface of VMware"), ("vboxnet0", "", "an interface of VirtualBox"),
            ("wg-home", "wireguard", "a WireGuard tunnel"),
            ("ztabcdefgh", "tun", "a tunnel or tap device of a VPN or virtual machine"),
            ("x", "ovpn", "an OpenVPN tunnel"),
            ("x", "dummy", "a dummy interface"), ("x", "wwan", "a mobile modem"),
            ("x", "macvtap", "an interface of a virtual machine"), ("x", "vrf", "a routing domain"),
            ("x", "vxlan", "an overlay network"),
            ("x", "gre", "an IP tunnel"), ("x", "ifb", "an interface that does not lead to hosts"),
            ("x", "port", "a port of a bridge"), ("x", "point", "a point-to-point link"),
            ("x", "hardware", "neither an Ethernet nor a wireless device"),
        ])
    func leftOut(name: String, kind: String, reason: String) {
        let one = interface(name) {
            switch kind {
            case "port": $0.portOf = "bridge"
            case "point": $0.isPointToPoint = true
            case "hardware": $0.hardwareType = 519
            default: $0.kind = kind
            }
        }
        let beside = examine([lo, interface("br-lan") { $0.kind = "bridge" }, one])
        #expect(beside.state == .ok && beside.detail == "br-lan 10.77.0.2; left out: \(name), \(reason)")
        let alone = examine([lo, one])
        #expect(alone.state == .fail)
        #expect(alone.detail == "no LAN interface is up and has an address; left out: \(name), \(reason)")
        #expect(alone.fix == "cloudlet-node --interface \(name)")
        let chosen = examine([lo, one], names: [name])
        #expect(chosen.state == .ok && chosen.detail == "\(name) 10.77.0.2")
        let down = examine([lo, one, interface("eth1") { $0.isUp = false }])
        #expect(down.detail.hasSuffix("left out: \(name), \(reason)"))
        #expect(down.fix == "sudo ip link set dev eth1 up && sudo dhclient eth1")
    }

    @Test("one without multicast is left out beside another, and a fault where there is no other")
    func deaf() {
        let deaf = interface("eth1") { $0.isMulticast = false }
        let beside = examine([lo, interface("eth0"), deaf])
        #expect(beside.state == .ok && beside.detail == "eth0 10.77.0.2; left out: eth1, multicast is off")
        for names in [[], ["eth1"]] {
            let alone = examine([lo, deaf], names: names)
            #expect(alone.state == .fail && alone.detail == "eth1 has multicast off: searches don't arrive")
            #expect(alone.fix == "sudo ip link set dev eth1 multicast on")
        }
    }

    @Test("nothing is said of interfaces that are down or without address, nor of those that make no difference")
    func quiet() {
        let down = interface("docker0") { $0.isUp = false }
        let bare = interface("wg0") { ($0.kind, $0.addresses) = ("wireguard", []) }
        #expect(examine([lo, interface("eth0"), down, bare]).detail == "eth0 10.77.0.2")
        let inside = examine([lo])
        #expect(inside.state == .fail && inside.fix == "ip -brief link")
        #expect(examine([lo], names: ["lo"]).state == .ok)
        let named = examine([lo, interface("eth0")], names: ["eth0", "eth7"])
        #expect(named.state == .fail && named.detail == "there is no interface eth7")
    }

    @Test("advice can be copied into a shell, whatever an interface is called")
    func quoted() {
        let odd = "a;b$(c)\u{61C}"
        let fixes = [
            examine([lo, interface(odd) { $0.isUp = false }]).fix,
            examine([interface(odd) { $0.isMulticast = false }]).fix,
            examine([interface(odd)], route: false).fix, examine([interface(odd) { $0.kind = "tun" }]).fix,
        ]
        for fix in fixes {
            #expect(fix?.contains(#""$(printf 'a\073b\044\050c\051\330\234')""#) == true, "\(fix ?? "")")
            #expect(fix?.unicodeScalars.contains("\u{61C}") == false)
        }
    }
}
