import CloudletDiscovery
import CloudletNetwork

/// One piece of evidence that a node may be somewhere: an answer, an announcement, a memory. It proves nothing; a
/// connection has to.
struct Candidate: Hashable, Sendable {
    /// How it was seen.
    var origin: DiscoveryOrigin
    /// The node's id, where the evidence names one.
    var id: NodeID?
    /// Its name, unchecked text.
    var name: String?
    /// Where it should be; `nil` in a goodbye.
    var place: NodePlace?
    /// Whether it says that the node leaves.
    var isGoodbye = false
    /// The host that said so.
    var source: IPAddress?
}

/// Where a node can be reached.
struct NodePlace: Hashable, Sendable {
    /// The address.
    var address: IPAddress
    /// The interface it was seen on; needed to reach IPv6 link-local addresses.
    var interface: Int32
    /// TCP port of its HTTP server, if it has one.
    var httpPort: UInt16?
    /// Path of its UPnP description, if it was seen by SSDP.
    var descriptionPath: String?
    /// TCP port of the synthesis protocol, if it was told.
    var synthesisPort: UInt16?
    /// Whether it is on another network, and others say that the node is there.
    var isRouted = false

    /// Whether both can be the same place: the same host, the same way to it, and no different ports.
    func fits(_ other: NodePlace) -> Bool {
        func agree(_ one: UInt16?, _ two: UInt16?) -> Bool { one == nil || two == nil || one == two }
        return address == other.address && (!address.isLinkLocal || interface == other.interface)
            && agree(httpPort, other.httpPort) && agree(synthesisPort, other.synthesisPort)
    }

    /// What both know, `other` first.
    func merged(with other: NodePlace) -> NodePlace {
        var result = self
        result.httpPort = other.httpPort ?? httpPort
        result.descriptionPath = other.descriptionPath ?? descriptionPath
        result.synthesisPort = other.synthesisPort ?? synthesisPort
        result.isRouted = isRouted && other.isRouted
        return result
    }
}

/// The ways by which a finder learns of nodes.
public enum DiscoveryOrigin: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    /// Answered or announced by SSDP.
    case ssdp
    /// Answered or announced by mDNS.
    case mdns
    /// Remembered from an earlier search.
    case known
    /// Named by the user.
    case given

    /// Alphabetical.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
