// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// A node's record as a JSON document (`GET /v1/node`), by which finders verify and rank the node. Later versions only add
/// keys.
public struct NodeStatus: Hashable, Sendable, Codable {
    /// The node's id.
    public var id: String
    /// Its name.
    public var name: String
    /// Version of this API.
    public var api: Int
    /// TCP port of the synthesis protocol.
    public var synthesisPort: Int
    /// The load: 0 idle, 1 all cores busy.
    public var load: Double
    /// Bytes of memory available to further guests.
    public var freeMemory: Int
    /// The number of running sessions.
    public var sessions: Int
    /// Special features of the node.
    public var features: [String]
    /// The base VMs whose overlays the node can resume.
    public var bases: [Base]
    /// The base VMs whose overlays it can only boot, for clients that allow it; `nil` if there are none.
    public var bootableBases: [Base]?

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
        case bootableBases = "bootable_bases"
    }

    /// Creates the document of a record.
    public init(_ record: NodeRecord) {
        id = record.id.description
        name = record.name
        api = record.apiVersion
        synthesisPort = Int(record.synthesisPort)
        load = record.load
        freeMemory = record.freeMemory.bytes
        sessions = record.sessions
        features = record.features
        bases = record.bases.map(Base.init)
        bootableBases = record.bootableBases.isEmpty ? nil : record.bootableBases.map(Base.init)
    }

    /// The record that a received document describes, with lists and texts cut to useful lengths.
    /// - Parameter httpPort: the port from which the document was fetched.
    /// - Returns: `nil` when a value is out of range.
    public func record(httpPort: UInt16) -> NodeRecord? {
        guard let id = NodeID(id), let port = UInt16(exactly: synthesisPort), port != 0, load.isFinite, load >= 0,
            freeMemory >= 0, sessions >= 0
        else { return nil }
        var record = NodeRecord(
            id: id, name: name, synthesisPort: port, httpPort: httpPort,
            bases: Self.held(bases), bootableBases: Self.held(bootableBases ?? []), load: load,
            freeMemory: ByteCount(freeMemory),
            features: features.prefix(32).map { $0.cut(toBytes: 63) })
        record.apiVersion = api
        record.sessions = sessions
        // Unchanged: another implementation may use another form of names.
        record.requestedName = name.cut(toBytes: 255)
        return record
    }

    private static func held(_ bases: [Base]) -> [HeldBase] {
        bases.prefix(1000).compactMap { base in
            SHA256Digest(hex: base.hash).map { HeldBase(hash: $0, name: base.name.cut(toBytes: 255)) }
        }
    }
}

extension NodeStatus.Base {
    fileprivate init(_ base: HeldBase) { self.init(hash: base.hash.hex, name: base.name) }
}
