// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSystem
import FoundationEssentials
import SystemPackage

/// The nodes that earlier searches found, kept in a file so that the next search asks them directly. A damaged file counts
/// as an empty one.
struct KnownNodes: Sendable {
    /// The largest number of nodes in the file; those unseen for longest are dropped.
    static let maximum = 64

    /// A node and where it was last found.
    struct Entry: Hashable, Sendable, Codable {
        var id: String
        var name: String
        var address: String
        /// The interface of a link-local address.
        var interface: String?
        var httpPort: UInt16
        var synthesisPort: UInt16
    }

    private let path: FilePath

    /// The nodes kept in `directory`.
    init(in directory: FilePath) { path = directory.appending("known-nodes.json") }

    /// Reads the nodes, last seen first.
    func read() -> [Entry] {
        guard let file = try? File(path, .read), let bytes = try? file.read(256 << 10, at: 0),
            let entries = try? JSONDecoder().decode([Entry].self, from: Data(bytes))
        else { return [] }
        return Array(entries.prefix(Self.maximum))
    }

    /// Adds nodes in front of the others.
    /// - Throws: `CloudletError` when the file can't be written.
    func remember(_ nodes: [FoundNode]) throws(CloudletError) {
        let new = nodes.compactMap { node -> Entry? in
            guard let port = node.httpPort, NodeID(node.key) != nil, let scoped = ScopedAddress(node.address) else {
                return nil
            }
            return Entry(
                id: node.key, name: node.name, address: "\(scoped.address)", interface: scoped.zone,
                httpPort: port, synthesisPort: node.synthesisPort)
        }
        let before = read()
        let kept = Array((new + before.filter { old in !new.contains { $0.id == old.id } }).prefix(Self.maximum))
        guard kept != before, let data = try? JSONEncoder().encode(kept) else { return }
        try Directory.create(path.removingLastComponent(), permissions: 0o700)
        try File.replace(path, with: Array(data), permissions: 0o600)
    }

    /// The nodes as candidates; those on interfaces that no longer exist are left out.
    func candidates(on interfaces: [NetworkInterface]) -> [Candidate] {
        read().compactMap { entry in
            guard let id = NodeID(entry.id), let address = IPAddress(entry.address) else { return nil }
            let interface = interfaces.first { $0.name == entry.interface }
            if address.isLinkLocal, !address.isV4, interface == nil { return nil }
            return Candidate(
                origin: .known, id: id, name: entry.name,
                endpoint: NodeEndpoint(
                    address: address, interface: interface?.index ?? 0, httpPort: entry.httpPort,
                    synthesisPort: entry.synthesisPort))
        }
    }
}
