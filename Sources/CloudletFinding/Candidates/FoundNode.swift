// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore
public import CloudletDiscovery
import CloudletNetwork

/// A node that was found and verified. Its texts come from the network: escape control characters before you print
/// them.
public struct FoundNode: Hashable, Sendable, Codable {
    /// The node's id; the address for nodes without an id (the original's nodes of 2013 and 2014).
    public let key: String
    /// Its name.
    public let name: String
    /// The address with the shortest round trip.
    public let address: String
    /// The addresses that answered, fastest first; IPv6 link-local ones with their interface (`fe80::1%eth0`).
    public let addresses: [String]
    /// TCP port of the synthesis protocol.
    public let synthesisPort: UInt16
    /// TCP port of its HTTP server, if it has one.
    public let httpPort: UInt16?
    /// How it was found.
    public let origins: [DiscoveryOrigin]
    /// Milliseconds that a TCP connection took to open: one round trip.
    public let roundTripMilliseconds: Double
    /// The node's status document; `nil` for nodes without one (the original's).
    public let status: NodeStatus?

    private enum CodingKeys: String, CodingKey {
        case key = "id"
        case name, address, addresses, origins, status
        case synthesisPort = "synthesis_port"
        case httpPort = "http_port"
        case roundTripMilliseconds = "round_trip_ms"
    }

    /// The address to use for a session: an IPv4 address if there is one, because ports are forwarded only from those.
    public var sessionAddress: String { ipv4Address ?? address }

    /// The fastest IPv4 address; QEMU forwards ports only from those.
    package var ipv4Address: String? { addresses.first { IPAddress($0)?.isV4 == true } }

    /// Whether the node's status lists this base VM.
    public func holds(_ base: SHA256Digest) -> Bool { status?.bases.contains { $0.hash == base.hex } ?? false }

    /// Whether the node can boot overlays of this base VM, but not resume them.
    public func onlyBoots(_ base: SHA256Digest) -> Bool {
        status?.bootableBases?.contains { $0.hash == base.hex } ?? false
    }

    /// Sorts nodes into the order in which to try them: those that hold `base` first, then those that can only boot it if
    /// that is allowed, then by round trip (in steps of 2 ms), load, free memory, name, id.
    public static func ranked(
        _ nodes: [FoundNode], wanting base: SHA256Digest? = nil, allowingBoot allowsBoot: Bool = false
    ) -> [FoundNode] {
        func suitability(_ node: FoundNode) -> Int {
            guard let base, !node.holds(base) else { return 0 }
            return allowsBoot && node.onlyBoots(base) ? 1 : 2
        }
        func rank(_ node: FoundNode) -> (Int, Int, Int, Int, String, String) {
            (
                suitability(node), Int(min(node.roundTripMilliseconds, 1e6) / 2),
                Int(min(max(node.status?.load ?? 1, 0), 1000) * 10), -((node.status?.freeMemory ?? 0) >> 28), node.name,
                node.key
            )
        }
        return nodes.sorted { rank($0) < rank($1) }
    }
}

/// An event of a search.
public enum FinderEvent: Hashable, Sendable {
    /// A node was found and verified.
    case found(FoundNode)
    /// A node that was reported before has changed.
    case updated(FoundNode)
    /// A node that was reported before no longer answers.
    case lost(FoundNode)
    /// The search is over: every question was sent, and answers have stopped coming in.
    case quiet
}

/// An endpoint that was announced as a node and could not be verified. Its texts come from the network: escape control
/// characters before you print them.
public struct UnverifiedNode: Hashable, Sendable, Codable {
    /// The announced address.
    public let address: String
    /// The announced name, if there was one.
    public let name: String?
    /// Why the verification failed.
    public let reason: String
    /// How it was found.
    public internal(set) var origins: Set<DiscoveryOrigin> = []
}
