import CloudletCore
import CloudletDiscovery
public import SystemPackage

/// How to search.
public struct FinderOptions: Sendable {
    /// The interfaces to search on; empty for every LAN interface.
    public var interfaces: [String] = []
    /// The protocols to use.
    public var protocols: Set<DiscoveryOrigin> = [.ssdp, .mdns, .known]
    /// Hosts to ask directly, without discovery: `ADDRESS` or `ADDRESS:PORT`, where the port is that of the HTTP
    /// server.
    public var hosts: [String] = []
    /// The longest a search that is not endless takes.
    public var timeout = Duration.seconds(3)
    /// Whether to go on for ever and report what comes and goes.
    public var isWatching = false
    /// How often nodes that were found are verified again while watching.
    public var checkInterval = Duration.seconds(5)
    /// Where nodes found earlier are remembered; `nil` for nowhere.
    public var stateDirectory: FilePath?
    /// The HTTP port tried at hosts that are given without one.
    public var defaultHTTPPort = NodeRecord.defaultHTTPPort

    /// The usual search.
    public init() {}

    /// Whether the network is searched, and not only hosts asked that are given or known.
    var searches: Bool { !protocols.isDisjoint(with: [.ssdp, .mdns]) && (hosts.isEmpty || isWatching) }
    /// Whether nodes found earlier are asked.
    var asksKnown: Bool { protocols.contains(.known) && (hosts.isEmpty || isWatching) }
}

/// Why a search found nothing, and what to try.
public struct FinderHint: Hashable, Sendable, Codable {
    /// What was seen.
    public let finding: String
    /// What the reader can do about it.
    public let advice: String

    /// Creates one.
    public init(_ finding: String, advice: String) {
        self.finding = finding
        self.advice = advice
    }
}
