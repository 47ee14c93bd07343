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
    /// The file also names the machine (`machine`, usually the content of /etc/machine-id). When that has changed, the
    /// directory was copied to another machine, and a new id is made: two nodes never share one.
    /// - Throws: `CloudletError` when the directory can't be read or written.
    public static func kept(in directory: FilePath, machine: String) throws(CloudletError) -> NodeID {
        let path = directory.appending("node-id")
        if try FileStatus.of(path) != nil {
            let file = try File(path, .read)
            let lines = String(decoding: try file.read(4096, at: 0), as: UTF8.self).split(separator: "\n")
            if let first = lines.first, let id = NodeID(first),
                lines.dropFirst().first.map(String.init) ?? "" == machine
            {
                return id
            }
        }
        let id = NodeID.random()
        try Directory.create(directory, permissions: 0o700)
        let temporary = directory.appending("node-id.new")
        try Directory.remove(temporary)
        let file = try File(temporary, .create(permissions: 0o600))
        try file.write(Array("\(id)\n\(machine)\n".utf8).span, at: 0)
        try file.synchronize()
        try Directory.move(temporary, to: path)
        return id
    }

    /// Order of the text.
    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}
