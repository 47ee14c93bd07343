// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery
import CloudletNetwork

/// Turns SSDP messages into candidates.
enum SSDPCandidates {
    /// Creates an M-SEARCH for `target`, sent to `group`.
    static func search(_ target: String, to group: IPAddress) -> SSDPMessage {
        SSDPMessage(
            .search,
            [
                ("HOST", "\(Endpoint(group, 1900))"), ("MAN", "\"ssdp:discover\""), ("MX", "1"), ("ST", target),
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
        guard let location = message["LOCATION"], location.utf8.count <= 512,
            let url = AbsoluteURL(location), let host = url.endpoint(on: interface.index),
            host.address == source || interface.reach(of: host.address) != .beyond
        else { return nil }
        candidate.endpoint = NodeEndpoint(
            address: host.address, interface: interface.index, httpPort: host.port, descriptionPath: url.path)
        return candidate
    }
}
