// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
public import SystemPackage

/// The options of a search.
public struct FinderOptions: Sendable {
    /// Names of the interfaces to search on; empty for every LAN interface.
    public var interfaces: [String] = []
    /// The protocols to use.
    public var protocols: Set<DiscoveryOrigin> = [.ssdp, .mdns, .known]
    /// Hosts to ask directly, without a search: `ADDRESS` or `ADDRESS:PORT`, with the port of the node's HTTP server.
    public var hosts: [String] = []
    /// The longest time a search takes when it does not watch.
    public var timeout = Duration.seconds(3)
    /// Whether to search without end and report nodes that come and go.
    public var isWatching = false
    /// How often found nodes are verified again while watching.
    public var checkInterval = Duration.seconds(5)
    /// The directory of the file that keeps the found nodes for the next search; `nil` keeps none.
    public var stateDirectory: FilePath?
    /// The HTTP port of `hosts` without a port.
    public var defaultHTTPPort = NodeRecord.defaultHTTPPort

    /// The default options.
    public init() {}

    /// Whether to search the network, in addition to hosts that are given or known.
    var searches: Bool { !protocols.isDisjoint(with: [.ssdp, .mdns]) && (hosts.isEmpty || isWatching) }
    /// Whether to ask the nodes of earlier searches.
    var asksKnown: Bool { protocols.contains(.known) && (hosts.isEmpty || isWatching) }
}

/// A reason why a search may have found nothing, and what to try.
public struct FinderHint: Hashable, Sendable, Codable {
    /// What the search saw.
    public let finding: String
    /// What the user can do about it.
    public let advice: String

    /// Creates a hint.
    public init(_ finding: String, advice: String) {
        self.finding = finding
        self.advice = advice
    }
}
