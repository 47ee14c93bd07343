public import CloudletCore
public import CloudletDiscovery

/// A node that was found and has answered: who it is, where it is, what it has. The text in it comes from the network;
/// show it with `displayable`.
public struct FoundNode: Hashable, Sendable, Codable {
    /// The node's id; an address for nodes that have none (the original's, and those of 2014).
    public let key: String
    /// Its name.
    public let name: String
    /// The address with the shortest round trip.
    public let address: String
    /// Every address that answered, the best first; IPv6 link-local ones with their interface (`fe80::1%eth0`).
    public let addresses: [String]
    /// TCP port of the synthesis protocol.
    public let synthesisPort: UInt16
    /// TCP port of its HTTP server, when it has one.
    public let httpPort: UInt16?
    /// How it was seen.
    public let origins: [DiscoveryOrigin]
    /// Milliseconds to make a connection: one round trip.
    public let roundTripMilliseconds: Double
    /// What the node says of itself; `nil` for nodes that don't (the original's).
    public let status: NodeStatus?

    private enum CodingKeys: String, CodingKey {
        case key = "id"
        case name, address, addresses, origins, status
        case synthesisPort = "synthesis_port"
        case httpPort = "http_port"
        case roundTripMilliseconds = "round_trip_ms"
    }

    /// The address for a session: an IPv4 one where there is one, for QEMU forwards ports from no others.
    public var sessionAddress: String { addresses.first { !$0.contains(":") } ?? address }

    /// Whether the node says that it holds this base VM.
    public func holds(_ base: SHA256Digest) -> Bool { status?.bases.contains { $0.hash == base.hex } ?? false }

    /// The nodes in the order in which to try them: those that hold `base` first, then by round trip (differences below
    /// 2 ms are none), load, free memory, name, id.
    public static func ranked(_ nodes: [FoundNode], wanting base: SHA256Digest? = nil) -> [FoundNode] {
        func rank(_ node: FoundNode) -> (Int, Int, Int, Int, String, String) {
            (
                base.map(node.holds) == true ? 0 : 1, Int(min(node.roundTripMilliseconds, 1e6) / 2),
                Int(min(max(node.status?.load ?? 1, 0), 1000) * 10), -((node.status?.freeMemory ?? 0) >> 28), node.name,
                node.key
            )
        }
        return nodes.sorted { rank($0) < rank($1) }
    }
}

/// What a finder reports.
public enum FinderEvent: Hashable, Sendable {
    /// A node has been found and verified.
    case found(FoundNode)
    /// Something about a node that was reported before has changed.
    case updated(FoundNode)
    /// A node that was reported before is gone.
    case lost(FoundNode)
    /// All searches have been sent, and answers have stopped coming in.
    case quiet
}

/// Something that was announced as a node and did not prove to be one. The text in it comes from the network; show it
/// with `displayable`.
public struct UnverifiedNode: Hashable, Sendable, Codable {
    /// Where it should be.
    public let address: String
    /// Its name, when the announcement gave one.
    public let name: String?
    /// What is wrong.
    public let reason: String
    /// How it was heard of.
    public internal(set) var origins: Set<DiscoveryOrigin> = []
}
