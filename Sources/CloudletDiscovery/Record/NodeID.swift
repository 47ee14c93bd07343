public import CloudletCore
import CloudletSystem
import FoundationEssentials
public import SystemPackage

/// What makes a node the same node, whatever its name and addresses: a UUID (RFC 9562), made once and kept; the same in
/// UPnP's UDN and in the mDNS TXT key `id`.
public struct NodeID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// 36 characters in lower case.
    public let description: String

    /// From the text form, in either case; anything that is no UUID is refused.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 36, let uuid = UUID(uuidString: String(text)) else { return nil }
        description = uuid.uuidString.lowercased()
    }

    private init(_ uuid: UUID) { description = uuid.uuidString.lowercased() }

    /// A new random id.
    public static func random() -> NodeID { NodeID(UUID()) }

    /// The id of the node whose state lives in `directory`; made at the first call.
    ///
    /// The file also holds its own inode number and the machine's id. When either has changed, the directory or the disk was
    /// copied, and a new id is made: two nodes never share one. `machine` is the content of /etc/machine-id when not given.
    /// - Throws: `CloudletError` when the directory can't be read or written.
    public static func kept(in directory: FilePath, machine: String? = nil) throws(CloudletError) -> NodeID {
        let machine = machine ?? (try? File("/etc/machine-id", .read).read(64, at: 0)).map(text) ?? ""
        let path = directory.appending("node-id")
        if let status = try FileStatus.of(path) {
            let content = text(try File(path, .read).read(4096, at: 0))
            if let id = NodeID(content.prefix { $0 != "\n" }), content == seal(id, machine, status) { return id }
        }
        let id = NodeID.random()
        try Directory.create(directory, permissions: 0o700)
        try Publication.recover([path])
        let publication = Publication()
        let file = try publication.create(path, permissions: 0o600)
        try file.write(Array(seal(id, machine, try file.status()).utf8).span, at: 0)
        try publication.publish()
        return id
    }

    private static func seal(_ id: NodeID, _ machine: String, _ status: FileStatus) -> String {
        "\(id)\n\(machine.filter { !$0.isNewline })\n\(status.identity.inode)\n"
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Order of the text.
    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}
