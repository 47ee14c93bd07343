// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery
import CloudletNetwork

/// One piece of evidence that a node may be at an endpoint: an answer, an announcement, or an entry of an earlier
/// search. It proves nothing: only a connection does.
struct Candidate: Hashable, Sendable {
    /// How it was found.
    var origin: DiscoveryOrigin
    /// The node's id, if the evidence names one.
    var id: NodeID?
    /// The node's name: unchecked text from the network.
    var name: String?
    /// Where the node should be; `nil` in a goodbye.
    var endpoint: NodeEndpoint?
    /// Whether it announces that the node leaves.
    var isGoodbye = false
    /// The sender; `nil` for what the user or an earlier search named.
    var source: IPAddress?
}

/// Where a node may be reached.
struct NodeEndpoint: Hashable, Sendable {
    /// The address.
    var address: IPAddress
    /// Index of the interface that leads there; needed for IPv6 link-local addresses.
    var interface: Int32
    /// TCP port of its HTTP server, if it has one.
    var httpPort: UInt16?
    /// Path of its UPnP description, if SSDP announced one.
    var descriptionPath: String?
    /// TCP port of the synthesis protocol, if it was announced.
    var synthesisPort: UInt16?
    /// Whether it is on another network of the site and only other hosts claim it.
    var isRouted = false

    /// Whether both can be the same endpoint: the same address, on the same interface where that matters, and no
    /// contradicting ports.
    func fits(_ other: NodeEndpoint) -> Bool {
        func agree(_ one: UInt16?, _ two: UInt16?) -> Bool { one == nil || two == nil || one == two }
        return address == other.address && (!address.isLinkLocal || interface == other.interface)
            && agree(httpPort, other.httpPort) && agree(synthesisPort, other.synthesisPort)
    }

    /// Both combined; the values of `other` take precedence.
    func merged(with other: NodeEndpoint) -> NodeEndpoint {
        var result = self
        result.httpPort = other.httpPort ?? httpPort
        result.descriptionPath = other.descriptionPath ?? descriptionPath
        result.synthesisPort = other.synthesisPort ?? synthesisPort
        result.isRouted = isRouted && other.isRouted
        return result
    }
}

/// How a finder learned of a node.
public enum DiscoveryOrigin: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    /// Answered or announced by SSDP.
    case ssdp
    /// Answered or announced by mDNS.
    case mdns
    /// Found by an earlier search.
    case known
    /// Named by the user.
    case given

    /// Alphabetical order.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
