import CloudletDiscovery
import CloudletNetwork

/// Turns what SSDP says into sightings.
enum SSDPSightings {
    /// The search for cloudlets: their device type, old and new nodes alike.
    static func search(_ target: String, to group: IPAddress) -> SSDPMessage {
        SSDPMessage(
            .search,
            [
                ("HOST", "\(group.urlHost):1900"), ("MAN", "\"ssdp:discover\""), ("MX", "1"), ("ST", target),
                ("USER-AGENT", UPnPDevice.server),
            ])
    }

    /// A sighting from an answer or an announcement heard on `interface`; `nil` when it is about another device, or
    /// when it leads to no host of this site.
    static func sighting(
        _ message: SSDPMessage, from source: IPAddress, on interface: NetworkInterface
    ) -> Candidate? {
        let isAnnouncement = message.startLine == .notify
        guard message.startLine != .search, (isAnnouncement ? message["NT"] : message["ST"]) == UPnPDevice.deviceType,
            let usn = message["USN"], usn.utf8.count <= 512
        else { return nil }
        let udn = usn.split(separator: "::", maxSplits: 1).first.map(String.init) ?? usn
        var sighting = Candidate(
            origin: .ssdp, id: udn.lowercased().hasPrefix("uuid:") ? NodeID(udn.dropFirst(5)) : nil, source: source)
        if isAnnouncement, message["NTS"] == SSDPAnnouncement.Kind.byebye.rawValue {
            sighting.isGoodbye = true
            return sighting.id == nil ? nil : sighting
        }
        if isAnnouncement, message["NTS"] != SSDPAnnouncement.Kind.alive.rawValue { return nil }
        guard let location = message["LOCATION"], let (host, path) = split(location),
            host.address == source || interface.reach(of: host.address) != .beyond
        else { return nil }
        sighting.place = NodePlace(
            address: host.address, interface: interface.index, httpPort: host.port, descriptionPath: path)
        return sighting
    }

    /// A URL of a literal address and a path.
    private static func split(_ url: String) -> (HostAndPort, String)? {
        guard url.utf8.count <= 512, url.hasPrefix("http://"), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return nil
        }
        let rest = url.dropFirst("http://".count)
        let authority = String(rest.prefix { $0 != "/" })
        guard let host = HostAndPort(authority) ?? HostAndPort(authority + ":80"), host.port != 0 else { return nil }
        let path = String(rest.dropFirst(authority.count))
        return (host, path.isEmpty ? "/" : path)
    }
}
