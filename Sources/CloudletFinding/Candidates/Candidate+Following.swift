// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork

extension Candidate {
    /// Whether the host at the endpoint made the claim itself, as far as a datagram's source address shows. What the user
    /// or an earlier search named counts as such.
    var isOwn: Bool { source == nil || endpoint?.address == source }

    /// The part of the claim that the finder follows up, heard on `interface`; `nil` for nothing.
    ///
    /// Anybody can claim that a node is anywhere. What the finder then does must be harmless to a host that is no node: it
    /// asks a host that did not announce itself only for the status of a node, opens no connection to another port, and
    /// expects the named node id. It asks no host beyond the site, and no port whose service might take the request for
    /// something else.
    func followed(from interface: NetworkInterface) -> Candidate? {
        guard var endpoint else { return self }
        let reach = interface.reach(of: endpoint.address)
        guard reach != .beyond else { return nil }
        if let port = endpoint.httpPort, UnsuitablePorts.all.contains(port) { return nil }
        endpoint.isRouted = reach == .site && !isOwn
        // A description has a plain path; a query behind `?` may make a program do something.
        if endpoint.descriptionPath?.contains("?") == true { endpoint.descriptionPath = nil }
        if !isOwn {
            guard endpoint.httpPort != nil else { return nil }
            endpoint.descriptionPath = nil
            endpoint.synthesisPort = nil
        }
        var result = self
        result.endpoint = endpoint
        return result
    }
}
