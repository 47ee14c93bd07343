public import CloudletCore

/// What a node says of itself to those who look for one. Each advertiser turns it into its own form and adds the
/// addresses of the interface it speaks on.
public struct NodeRecord: Hashable, Sendable {
    /// The node's lasting identity.
    public var id: NodeID
    /// The name the node is to have, brought into a form that every protocol takes as it is (`NodeName`).
    public internal(set) var wishedName: String
    /// The name it has instead, as long as another node of the network has that one.
    public private(set) var alternativeName: String?
    /// TCP port of the synthesis protocol.
    public var synthesisPort: UInt16
    /// TCP port of the HTTP server with description, status and page.
    public var httpPort: UInt16
    /// Version of the node's HTTP API.
    public var apiVersion: Int
    /// The base VMs held, most useful first.
    public var bases: [HeldBase]
    /// How busy the node is: 0 idle, 1 all cores busy; more means a queue.
    public var load: Double
    /// Memory that guests can still have.
    public var freeMemory: ByteCount
    /// Sessions running now.
    public var sessions: Int
    /// What the node has beside the usual, one short word each (`kvm`, `gpu`): letters, digits, hyphens.
    public var features: [String]

    /// The TCP port of the synthesis protocol where no other is configured: the original's.
    public static let defaultSynthesisPort: UInt16 = 8021
    /// The TCP port of the HTTP server where no other is configured.
    public static let defaultHTTPPort: UInt16 = 8022

    /// Creates a record.
    public init(
        id: NodeID, name: String, synthesisPort: UInt16 = defaultSynthesisPort, httpPort: UInt16, apiVersion: Int = 1,
        bases: [HeldBase] = [], load: Double = 0, freeMemory: ByteCount = ByteCount(0), sessions: Int = 0,
        features: [String] = []
    ) {
        self.id = id
        wishedName = NodeName.clean(name)
        self.synthesisPort = synthesisPort
        self.httpPort = httpPort
        self.apiVersion = apiVersion
        self.bases = bases
        self.load = load
        self.freeMemory = freeMemory
        self.sessions = sessions
        self.features = features
    }
}

extension NodeRecord {
    /// The name people see, the same in every protocol. Who sets it wishes it.
    public var name: String {
        get { alternativeName ?? wishedName }
        set {
            let wish = NodeName.clean(newValue)
            guard wish != wishedName else { return }
            (wishedName, alternativeName) = (wish, nil)
        }
    }

    /// The load as a whole number of percent, at most 10,000.
    public var loadPercent: Int { Int(min(max(load.isFinite ? load : 0, 0), 100) * 100) }

    /// Has the node go by another name than the one wished, or by that again.
    package mutating func goBy(_ name: String) { alternativeName = name == wishedName ? nil : NodeName.clean(name) }
}

/// A base VM that a node holds.
public struct HeldBase: Hashable, Sendable {
    /// The SHA-256 of the base disk, its identity on the wire.
    public var hash: SHA256Digest
    /// The name on that node; says nothing about identity.
    public var name: String

    /// Creates one.
    public init(hash: SHA256Digest, name: String) {
        self.hash = hash
        self.name = name
    }
}
