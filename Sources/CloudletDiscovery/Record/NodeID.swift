// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore
import CloudletSystem
import FoundationEssentials
public import SystemPackage

/// A node's identity, whatever its name and addresses: a UUID (RFC 9562) that is created once and kept. UPnP shows it in
/// the UDN, mDNS in the TXT key `id`.
public struct NodeID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The UUID: 36 characters in lower case.
    public let description: String

    /// Reads the text form in either case; `nil` when it is not a UUID.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 36, let uuid = UUID(uuidString: String(text)) else { return nil }
        description = uuid.uuidString.lowercased()
    }

    private init(_ uuid: UUID) { description = uuid.uuidString.lowercased() }

    /// Creates a random id.
    public static func random() -> NodeID { NodeID(UUID()) }

    /// The id of the node whose state is in `directory`; the first call creates it.
    ///
    /// The file also holds its own inode number and the machine's id. When either differs, the directory or the disk was
    /// copied, and a new id replaces the old one: two nodes never share an id.
    /// - Parameters:
    ///   - directory: the node's state directory.
    ///   - machine: the machine's id; by default the content of /etc/machine-id.
    /// - Returns: the id.
    /// - Throws: `CloudletError` when the directory can't be read or written.
    public static func kept(in directory: FilePath, machine: String? = nil) throws(CloudletError) -> NodeID {
        let machine = machine ?? (try? File("/etc/machine-id", .read).read(64, at: 0)).map(text) ?? ""
        let path = directory.appending("node-id")
        if let status = try FileStatus.of(path) {
            let content = text(try File(path, .read).read(4096, at: 0))
            if let id = NodeID(content.prefix { $0 != "\n" }), content == fileContent(id, machine, status) { return id }
        }
        let id = NodeID.random()
        try Directory.create(directory, permissions: 0o700)
        try Publication.recover([path])
        let publication = Publication()
        let file = try publication.create(path, permissions: 0o600)
        try file.write(Array(fileContent(id, machine, try file.status()).utf8).span, at: 0)
        try publication.publish()
        return id
    }

    private static func fileContent(_ id: NodeID, _ machine: String, _ status: FileStatus) -> String {
        "\(id)\n\(machine.filter { !$0.isNewline })\n\(status.identity.inode)\n"
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The order of the text forms.
    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}
