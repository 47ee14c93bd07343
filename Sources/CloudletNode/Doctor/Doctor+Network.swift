// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSystem
import SystemPackage

extension Doctor {
    /// Checks whether there are interfaces to serve on, and a route for multicast.
    func examineNetwork() -> [Finding] {
        do throws(CloudletError) {
            return [
                Self.network(
                    try Netlink.interfaces(), names: configuration.interfaces,
                    hasMulticastRoute: PortUse.hasMulticastRoute)
            ]
        } catch {
            return [.fail("network", "\(error)", fix: "ip address")]
        }
    }

    /// The finding for a machine with these interfaces, if the node is to use those with `names`.
    static func network(_ all: [NetworkInterface], names: [String], hasMulticastRoute: Bool) -> Finding {
        let missing = names.filter { name in !all.contains { $0.name == name } }
        guard missing.isEmpty else {
            return .fail("network", "there is no interface \(missing.joined(separator: ", "))", fix: "ip -brief link")
        }
        let policy = InterfacePolicy(names: names)
        let reachable = policy.choose(from: all).filter { !$0.isLoopback || names.contains($0.name) }
        let leftOut = policy.leftOut(of: all)
        let candidates =
            reachable.isEmpty ? all.filter { $0.isUp && !$0.addresses.isEmpty && !$0.isLoopback } : reachable
        if let deaf = candidates.first(where: { InterfacePolicy.objection(to: $0) == InterfacePolicy.deaf }) {
            return .fail(
                "network", "\(deaf.name) has multicast off: searches don't arrive",
                fix: "sudo ip link set dev \(Shell.word(deaf.name)) multicast on")
        }
        let others =
            leftOut.isEmpty
            ? "" : "; left out: " + leftOut.map { "\($0.name), \($0.reason)" }.joined(separator: "; ")
        guard let first = reachable.first else { return noNetwork(all, leftOut, others) }
        let detail =
            reachable.map { interface in
                "\(interface.name) \(interface.addresses.map { "\($0.address)" }.joined(separator: " "))"
            }.joined(separator: ", ") + others
        guard hasMulticastRoute else {
            return .warn(
                "network", "\(detail); there is no route for multicast, which clients that name no interface need",
                fix: "sudo ip route add 224.0.0.0/4 dev \(Shell.word(first.name))")
        }
        return .ok("network", detail)
    }

    /// The finding if no interface can be used. It advises to choose one that was left out, or to bring up an unused
    /// one.
    private static func noNetwork(
        _ all: [NetworkInterface], _ leftOut: [InterfacePolicy.LeftOut], _ others: String
    ) -> Finding {
        let text = "no LAN interface is up and has an address\(others)"
        let down = all.first { one in
            !one.isLoopback && (!one.isUp || one.addresses.isEmpty) && InterfacePolicy.objection(to: one) == nil
        }
        if let down {
            let name = Shell.word(down.name)
            return .fail("network", text, fix: "sudo ip link set dev \(name) up && sudo dhclient \(name)")
        }
        return .fail(
            "network", text,
            fix: leftOut.first.map { Shell.command("cloudlet-node", "--interface", $0.name) } ?? "ip -brief link")
    }

    /// Checks whether the ports of the node are free, and which programs use them.
    func examinePorts() -> [Finding] {
        let synthesis = configuration.listenAddresses.first?.port ?? NodeRecord.defaultSynthesisPort
        var findings = [port(synthesis, option: "--listen", mayMove: false)]
        findings.append(port(configuration.httpPort, option: "--http-port", mayMove: true))
        guard configuration.upnpEngine != .off else { return findings }
        let holders = PortHolder.all(of: 1900, .udp)
        if PortUse.canShareUDP(1900) {
            findings.append(.ok("port 1900/udp", holders.isEmpty ? "free" : "shared with \(holders.shown)"))
        } else {
            findings.append(
                .fail(
                    "port 1900/udp", "\(holders.shown) keeps it for itself: searches by UPnP are not heard",
                    fix: Self.ending(holders) + ", or: cloudlet-node --upnp-engine off"))
        }
        return findings
    }

    private func port(_ port: UInt16, option: String, mayMove: Bool) -> Finding {
        let holders = PortHolder.all(of: port, .tcp)
        let check = "port \(port)/tcp"
        if holders.isEmpty { return .ok(check, "free") }
        if holders.allSatisfy({ $0.name.hasPrefix("cloudlet-node") }) {
            return .ok(check, "a node runs (\(holders.shown))")
        }
        let other = option == "--listen" ? ":\(port + 10)" : "\(port + 10)"
        let fix = Self.ending(holders) + ", or: cloudlet-node \(option) \(other)"
        return mayMove
            ? .warn(check, "taken by \(holders.shown); the node will take another one", fix: fix)
            : .fail(check, "taken by \(holders.shown)", fix: fix)
    }

    private static func ending(_ holders: [PortHolder]) -> String {
        let known = holders.filter { $0.pid != 0 }
        return known.isEmpty ? "sudo ss -lntup" : "kill \(known.map { String($0.pid) }.joined(separator: " "))"
    }

    /// Checks avahi-daemon and the D-Bus connection to it.
    func examineMDNS() -> [Finding] {
        guard configuration.usesMDNS else { return [.ok("mdns", "switched off")] }
        let found = "the node is found by UPnP only"
        guard answers("/run/dbus/system_bus_socket") else {
            return [
                .warn(
                    "mdns", "the system bus does not answer: \(found)",
                    fix: "sudo apt-get install dbus && sudo systemctl enable --now dbus")
            ]
        }
        guard answers("/run/avahi-daemon/socket") else {
            return [
                .warn(
                    "mdns", "avahi-daemon does not run: \(found)",
                    fix: "sudo apt-get install avahi-daemon && sudo systemctl enable --now avahi-daemon")
            ]
        }
        return [.ok("mdns", "avahi-daemon answers")]
    }

    private func answers(_ path: FilePath) -> Bool { LocalStream.isAnswered(at: path) }
}
