import CloudletCore

/// A node's record as the JSON document by which finders verify and rank it (`GET /v1/node`). Keys are only ever added.
public struct NodeStatus: Hashable, Sendable, Codable {
    /// The node's id.
    public var id: String
    /// Its name.
    public var name: String
    /// Version of this API.
    public var api: Int
    /// TCP port of the synthesis protocol.
    public var synthesisPort: Int
    /// How busy: 0 idle, 1 all cores busy.
    public var load: Double
    /// Bytes of memory that guests can still have.
    public var freeMemory: Int
    /// Sessions running.
    public var sessions: Int
    /// Words for what the node has.
    public var features: [String]
    /// The base VMs held.
    public var bases: [Base]

    /// A base VM in the document.
    public struct Base: Hashable, Sendable, Codable {
        /// SHA-256 of the base disk, 64 hexadecimal digits.
        public var hash: String
        /// Its name on that node.
        public var name: String
    }

    private enum CodingKeys: String, CodingKey {
        case id, name, api, load, sessions, features, bases
        case synthesisPort = "synthesis_port"
        case freeMemory = "free_memory"
    }

    /// The document for a record.
    public init(_ record: NodeRecord) {
        id = record.id.description
        name = record.name
        api = record.apiVersion
        synthesisPort = Int(record.synthesisPort)
        load = record.load
        freeMemory = record.freeMemory.bytes
        sessions = record.sessions
        features = record.features
        bases = record.bases.map { Base(hash: $0.hash.hex, name: $0.name) }
    }

    /// The record a stranger's document stands for, its lists cut to what can be of use; `nil` when a value is out of
    /// range. `httpPort` is where the document was fetched.
    public func record(httpPort: UInt16) -> NodeRecord? {
        guard let id = NodeID(id), let port = UInt16(exactly: synthesisPort), port != 0, load.isFinite, load >= 0,
            freeMemory >= 0, sessions >= 0
        else { return nil }
        var record = NodeRecord(
            id: id, name: name, synthesisPort: port, httpPort: httpPort, apiVersion: api,
            bases: bases.prefix(1000).compactMap { base in
                SHA256Digest(hex: base.hash).map { HeldBase(hash: $0, name: base.name.cut(toBytes: 255)) }
            }, load: load, freeMemory: ByteCount(freeMemory), sessions: sessions,
            features: features.prefix(32).map { $0.cut(toBytes: 63) })
        // As it was said: that of another program may have another form.
        record.wishedName = name.cut(toBytes: 255)
        return record
    }
}
