import CloudletCore
import Glibc

/// Explains why a search found nothing by what it saw.
enum FinderDiagnosis {
    /// The hints, the likeliest reason first; never empty.
    static func hints(
        observations: FinderInbox.Observations, interfaces: [NetworkInterface],
        unverified: [UnverifiedNode], options: FinderOptions
    ) -> [FinderHint] {
        var hints: [FinderHint] = []
        let places = interfaces.map(\.name).joined(separator: ", ")
        for claim in unverified.prefix(5) {
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
        let others = observations.ssdpHosts.union(observations.mdnsHosts)
        if observations.sent == 0, options.hosts.isEmpty {
            hints.append(FinderHint("nothing could be sent", advice: "check that a network interface is up"))
        } else if others.isEmpty, options.hosts.isEmpty {
            hints.append(
                FinderHint(
                    "nobody on \(places) answered any search, not even other devices",
                    advice:
                        "the access point may isolate its clients or drop multicast, or a firewall here may block UDP "
                        + "from ports 1900 and 5353; --host ADDRESS asks a node without searching"))
        } else if unverified.isEmpty, options.hosts.isEmpty {
            hints.append(
                FinderHint(
                    "\(others.count) other host\(others.count == 1 ? "" : "s") on \(places) answered, but no node",
                    advice: "start cloudlet-node on a host of this network; --host ADDRESS asks one elsewhere"))
            if observations.mdnsHosts.isEmpty, options.protocols.contains(.mdns) {
                hints.append(
                    FinderHint(
                        "nobody answered by mDNS", advice: "a node needs avahi-daemon to be found by mDNS: see its log")
                )
            }
        }
        if observations.wasFlooded {
            hints.append(
                FinderHint(
                    "a host announces more nodes than one can be",
                    advice: "part of what it said was left out of account"))
        }
        if hints.isEmpty { hints.append(FinderHint("no node answered", advice: "see whether cloudlet-node runs")) }
        return hints
    }
}
