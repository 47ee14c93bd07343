// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import Glibc

/// Explains from what a search saw why it found nothing.
enum FinderDiagnosis {
    /// Explains a search without result.
    /// - Parameters:
    ///   - observations: what the search saw.
    ///   - interfaces: the interfaces that were searched on.
    ///   - machine: all interfaces of the machine.
    ///   - unverified: the endpoints that could not be verified.
    ///   - options: the options of the search.
    /// - Returns: the hints, the most likely reason first; never empty.
    static func hints(
        observations: FinderInbox.Observations, interfaces: [NetworkInterface], machine: [NetworkInterface] = [],
        unverified: [UnverifiedNode], options: FinderOptions
    ) -> [FinderHint] {
        var hints: [FinderHint] = []
        let places = interfaces.map(\.name).joined(separator: ", ")
        if isOffline(interfaces, options) { hints.append(offline(machine)) }
        for name in options.interfaces {
            if let text = obstacle(of: name, machine) { hints.append(FinderHint(text, advice: lookAtAddresses)) }
        }
        // Nodes known from earlier searches may belong to another network.
        let announced = unverified.filter { $0.origins != [.known] }
        for claim in announced.prefix(5) {
            hints.append(
                FinderHint(
                    "\(claim.address) was announced as a node, but could not be verified: \(claim.reason.displayable())",
                    advice: "check that the node still runs there and that no firewall on it closes its ports"))
        }
        for failure in observations.failures.sorted().prefix(3) {
            hints.append(
                FinderHint(failure.displayable(), advice: "check addresses and routes with `ip address` and `ip route`")
            )
        }
        if options.searches {
            hints += heard(observations, on: interfaces, places, hasClaims: !announced.isEmpty, options)
        }
        for address in observations.beyond.sorted().prefix(3) {
            hints.append(
                FinderHint(
                    "a node announces itself at \(address), which is outside the networks of this site, so it was not asked",
                    advice: "if you trust it, ask it with --host \(address)"))
        }
        if observations.wasFlooded {
            hints.append(
                FinderHint(
                    "a host announces an implausible number of nodes",
                    advice: "some of its announcements were ignored"))
        }
        for claim in unverified.filter({ $0.origins == [.known] }).prefix(3) {
            hints.append(
                FinderHint(
                    "\(claim.address) was a node when it was last found, but no longer answers as one: \(claim.reason.displayable())",
                    advice: "if you are on the same network as then, check that the node still runs"))
        }
        if hints.isEmpty { hints.append(FinderHint("no node answered", advice: "check that cloudlet-node runs")) }
        return hints
    }

    /// The hints from the hosts that answered, or from the fact that none did.
    private static func heard(
        _ observations: FinderInbox.Observations, on interfaces: [NetworkInterface], _ places: String,
        hasClaims: Bool, _ options: FinderOptions
    ) -> [FinderHint] {
        if interfaces.allSatisfy(\.isLoopback) {
            if interfaces.isEmpty || isOffline(interfaces, options) || hasClaims { return [] }
            return [
                FinderHint(
                    "no node runs on this machine, and only \(places) was searched", advice: "start cloudlet-node")
            ]
        }
        if observations.sent == 0 {
            return [FinderHint("nothing could be sent", advice: "check that a network interface is up")]
        }
        // Answers of this machine say nothing about the network.
        let others = observations.ssdpHosts.union(observations.mdnsHosts).subtracting(
            interfaces.flatMap(\.addresses).map(\.address))
        if others.isEmpty {
            let addressless = interfaces.filter { $0.addresses.allSatisfy(\.address.isLinkLocal) }.map(\.name)
            var hints: [FinderHint] = []
            if !addressless.isEmpty {
                hints.append(
                    FinderHint(
                        "the network assigned no address on \(addressless.joined(separator: ", "))",
                        advice: "check that the cable or the WiFi is the right one and that its router answers "
                            + "by DHCP; `ip address` shows addresses"))
            }
            hints.append(
                FinderHint(
                    "no host on \(places) answered any search, not even other devices",
                    advice:
                        "the access point may isolate its clients or drop multicast, or a firewall here may block UDP "
                        + "from ports 1900 and 5353; --host ADDRESS asks a node without searching"))
            return hints
        }
        if hasClaims { return [] }
        var hints = [
            FinderHint(
                "\(others.count) other host\(others.count == 1 ? "" : "s") on \(places) answered, but no node",
                advice: "start cloudlet-node on a host of this network; --host ADDRESS asks one elsewhere")
        ]
        if observations.mdnsHosts.isEmpty, options.protocols.contains(.mdns) {
            hints.append(
                FinderHint(
                    "no host answered by mDNS",
                    advice: "a node needs avahi-daemon to be found by mDNS: look into its log")
            )
        }
        return hints
    }

    // MARK: - Missing networks

    /// Whether the search covered only the loopback interface although no interface was named.
    static func isOffline(_ interfaces: [NetworkInterface], _ options: FinderOptions) -> Bool {
        options.searches && options.interfaces.isEmpty && interfaces.allSatisfy(\.isLoopback)
    }

    private static let lookAtAddresses = "`ip address` shows the interfaces and their addresses"

    /// Why there is no network to search on.
    private static func offline(_ machine: [NetworkInterface]) -> FinderHint {
        let leftOut = InterfacePolicy().leftOut(of: machine).map {
            "\($0.name.displayable(limit: 32)) is left out (\($0.reason))"
        }
        let reasons = leftOut + machine.filter { !$0.isLoopback }.compactMap { obstacle(of: $0.name, machine) }
        let list = reasons.isEmpty ? "" : ": " + reasons.prefix(6).joined(separator: ", ")
        return FinderHint(
            "this machine has no network to search on\(list)",
            advice: "plug in a cable or join a WiFi; `ip address` shows the interfaces; "
                + "--interface NAME searches on one that is left out, --host ADDRESS asks a node without searching")
    }

    /// Why an interface can't be searched on; `nil` when nothing is known against it.
    static func obstacle(of name: String, _ machine: [NetworkInterface]) -> String? {
        guard let interface = machine.first(where: { $0.name == name }) else {
            return "there is no interface \(name.displayable(limit: 32))"
        }
        let shown = name.displayable(limit: 32)
        if !interface.isUp { return "\(shown) is down or unplugged" }
        return interface.addresses.isEmpty ? "\(shown) has no address" : nil
    }
}
