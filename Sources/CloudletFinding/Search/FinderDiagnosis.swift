import CloudletCore
import CloudletNetwork
import Glibc

/// Explains why a search found nothing by what it saw.
enum FinderDiagnosis {
    /// The hints, the likeliest reason first; never empty.
    /// `interfaces` are those that were searched on, `machine` all there are.
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
        // What is only remembered may be of another network.
        let announced = unverified.filter { $0.origins != [.known] }
        for claim in announced.prefix(5) {
            hints.append(
                FinderHint(
                    "\(claim.address) should be a node, but could not be verified: \(claim.reason.displayable())",
                    advice: "see whether the node still runs there, and whether a firewall on it closes its ports"))
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
                    "a node announces itself at \(address), which is of no network of this site, and was not asked",
                    advice: "if you trust it, ask it with --host \(address)"))
        }
        if observations.wasFlooded {
            hints.append(
                FinderHint(
                    "a host announces more nodes than one can be",
                    advice: "part of what it said was left out of account"))
        }
        for claim in unverified.filter({ $0.origins == [.known] }).prefix(3) {
            hints.append(
                FinderHint(
                    "\(claim.address) was a node when it was last seen, and is not now: \(claim.reason.displayable())",
                    advice: "on the network where that was, see whether it still runs"))
        }
        if hints.isEmpty { hints.append(FinderHint("no node answered", advice: "see whether cloudlet-node runs")) }
        return hints
    }

    /// What those who answered show, and that nobody did.
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
        // This machine's own answers tell nothing of the network.
        let others = observations.ssdpHosts.union(observations.mdnsHosts).subtracting(
            interfaces.flatMap(\.addresses).map(\.address))
        if others.isEmpty {
            let addressless = interfaces.filter { $0.addresses.allSatisfy(\.address.isLinkLocal) }.map(\.name)
            var hints: [FinderHint] = []
            if !addressless.isEmpty {
                hints.append(
                    FinderHint(
                        "the network has given no address on \(addressless.joined(separator: ", "))",
                        advice: "see whether the cable or the WiFi is the right one, and whether its router answers "
                            + "by DHCP; `ip address` shows addresses"))
            }
            hints.append(
                FinderHint(
                    "nobody on \(places) answered any search, not even other devices",
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
                    "nobody answered by mDNS", advice: "a node needs avahi-daemon to be found by mDNS: see its log")
            )
        }
        return hints
    }

    // MARK: - Networks that are not there

    /// Whether there is no network to search on but the machine's inside, which nobody asked for.
    static func isOffline(_ interfaces: [NetworkInterface], _ options: FinderOptions) -> Bool {
        options.searches && options.interfaces.isEmpty && interfaces.allSatisfy(\.isLoopback)
    }

    private static let lookAtAddresses = "`ip address` shows the interfaces there are, and their addresses"

    /// Why there is no network.
    private static func offline(_ machine: [NetworkInterface]) -> FinderHint {
        let leftOut = InterfacePolicy().leftOut(of: machine).map {
            "\($0.name.displayable(limit: 32)) is left out (\($0.reason))"
        }
        let reasons = leftOut + machine.filter { !$0.isLoopback }.compactMap { obstacle(of: $0.name, machine) }
        let told = reasons.isEmpty ? "" : ": " + reasons.prefix(6).joined(separator: ", ")
        return FinderHint(
            "this machine has no network to search on\(told)",
            advice: "plug in a cable or join a WiFi; `ip address` shows the interfaces there are; "
                + "--interface NAME searches on one that is left out, --host ADDRESS asks a node without searching")
    }

    /// Why an interface can't be searched on; `nil` when it can, as far as it shows.
    static func obstacle(of name: String, _ machine: [NetworkInterface]) -> String? {
        guard let interface = machine.first(where: { $0.name == name }) else {
            return "there is no interface \(name.displayable(limit: 32))"
        }
        let shown = name.displayable(limit: 32)
        if !interface.isUp { return "\(shown) is down or unplugged" }
        return interface.addresses.isEmpty ? "\(shown) has no address" : nil
    }
}
