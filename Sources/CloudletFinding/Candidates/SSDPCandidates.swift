import CloudletDiscovery
import CloudletNetwork

/// Turns SSDP messages into candidates.
enum SSDPCandidates {
    /// An M-SEARCH for `target`, sent to `group`.
    static func search(_ target: String, to group: IPAddress) -> SSDPMessage {
        SSDPMessage(
            .search,
            [
                ("HOST", "\(group.urlHost):1900"), ("MAN", "\"ssdp:discover\""), ("MX", "1"), ("ST", target),
                ("USER-AGENT", UPnPDevice.server),
            ])
    }

    /// The candidate of a response or an announcement received on `interface`; `nil` when it is about another device or
    /// names a host beyond this site.
    static func candidate(
        _ message: SSDPMessage, from source: IPAddress, on interface: NetworkInterface
    ) -> Candidate? {
        let isAnnouncement = message.startLine == .notify
        guard message.startLine != .search, (isAnnouncement ? message["NT"] : message["ST"]) == UPnPDevice.deviceType,
            let usn = message["USN"], usn.utf8.count <= 512
        else { return nil }
        let udn = usn.split(separator: "::", maxSplits: 1).first.map(String.init) ?? usn
        var candidate = Candidate(
            origin: .ssdp, id: udn.lowercased().hasPrefix("uuid:") ? NodeID(udn.dropFirst(5)) : nil, source: source)
        if isAnnouncement, message["NTS"] == SSDPAnnouncement.Kind.byebye.rawValue {
            candidate.isGoodbye = true
            return candidate.id == nil ? nil : candidate
        }
        if isAnnouncement, message["NTS"] != SSDPAnnouncement.Kind.alive.rawValue { return nil }
        guard let location = message["LOCATION"], let (host, path) = split(location),
            host.address == source || interface.reach(of: host.address) != .beyond
        else { return nil }
        candidate.endpoint = NodeEndpoint(
            address: host.address, interface: interface.index, httpPort: host.port, descriptionPath: path)
        return candidate
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
