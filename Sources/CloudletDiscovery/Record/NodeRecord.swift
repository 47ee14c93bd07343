// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore

/// What a node announces about itself. Each advertiser converts it to its own form and adds the addresses of the interface
/// it sends on.
public struct NodeRecord: Hashable, Sendable {
    /// The node's permanent identity.
    public var id: NodeID
    /// The configured name, in the form that every protocol accepts (``NodeName``).
    public internal(set) var requestedName: String
    /// The name the node uses instead while another node of the network has the requested one.
    public private(set) var alternativeName: String?
    /// TCP port of the synthesis protocol.
    public var synthesisPort: UInt16
    /// TCP port of the HTTP server with description, status and page.
    public var httpPort: UInt16
    /// Version of the node's HTTP API.
    public var apiVersion = 1
    /// The base VMs whose overlays the node can resume, most useful first.
    public var bases: [HeldBase]
    /// The base VMs whose saved states the node can't resume, but whose overlays it can boot for clients that allow it.
    public var bootableBases: [HeldBase]
    /// The load: 0 idle, 1 all cores busy, more when tasks are queued.
    public var load: Double
    /// Memory available to further guests.
    public var freeMemory: ByteCount
    /// The number of running sessions.
    public var sessions = 0
    /// Special features of the node, one short word each (`kvm`, `gpu`): letters, digits, hyphens.
    public var features: [String]

    /// The default TCP port of the synthesis protocol: the original's.
    public static let defaultSynthesisPort: UInt16 = 8021
    /// The default TCP port of the HTTP server.
    public static let defaultHTTPPort: UInt16 = 8022

    /// Creates a record of a node without sessions.
    public init(
        id: NodeID, name: String, synthesisPort: UInt16 = defaultSynthesisPort, httpPort: UInt16,
        bases: [HeldBase] = [], bootableBases: [HeldBase] = [], load: Double = 0, freeMemory: ByteCount = ByteCount(0),
        features: [String] = []
    ) {
        self.id = id
        requestedName = NodeName.clean(name)
        self.synthesisPort = synthesisPort
        self.httpPort = httpPort
        self.bases = bases
        self.bootableBases = bootableBases
        self.load = load
        self.freeMemory = freeMemory
        self.features = features
    }
}

extension NodeRecord {
    /// The name that users see, the same in every protocol. Setting it changes the requested name.
    public var name: String {
        get { alternativeName ?? requestedName }
        set {
            let requested = NodeName.clean(newValue)
            guard requested != requestedName else { return }
            (requestedName, alternativeName) = (requested, nil)
        }
    }

    /// The load as a whole number of percent, at most 10,000.
    public var loadPercent: Int { Int(min(max(load.isFinite ? load : 0, 0), 100) * 100) }

    /// Makes the node use another name than the requested one, or that one again.
    package mutating func use(name: String) { alternativeName = name == requestedName ? nil : NodeName.clean(name) }
}

/// A base VM that a node holds.
public struct HeldBase: Hashable, Sendable {
    /// The SHA-256 of the base disk, its identity on the wire.
    public var hash: SHA256Digest
    /// The name on that node, which does not identify the base VM.
    public var name: String

    /// Creates a held base VM.
    public init(hash: SHA256Digest, name: String) {
        self.hash = hash
        self.name = name
    }
}
