import CloudletCore
package import CloudletSystem
import FoundationEssentials
package import SystemPackage

/// The protocol by which the programs of one user talk to the node that runs in the same home.
///
/// A connection carries one request and its replies. Every message is one JSON object (RFC 8259) on a line of its own:
///
///     {"body":{"session":"12345678901234567"},"request":"stop-session","version":1}
///     {"body":"ended","version":1}
///
/// A reply has either a `body`, whose form the request decides, or an `error` with `code` (a word of
/// ``CloudletCore/CloudletError/Code``) and `message`. The node closes the connection after the last reply. Further
/// requests, and further keys that a reader may ignore, leave the version as it is; everything else raises it.
package enum ControlProtocol {
    /// The version that this program speaks.
    package static let version = 1
    /// The longest request, in bytes with its line feed.
    package static let maximumRequestBytes = 64 << 10
    /// The longest reply: ten thousand sessions take a tenth of it.
    static let maximumReplyBytes = 64 << 20

    static let lineFeed = UInt8(ascii: "\n")

    /// A message as it is sent.
    static func line(_ message: some Encodable) throws(CloudletError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return Array(try encoder.encode(message)) + [lineFeed] } catch {
            throw CloudletError(.defect, "can't write a control message", cause: error)
        }
    }

    /// A message that was received.
    static func read<Message: Decodable>(_: Message.Type, _ line: [UInt8]) throws(CloudletError) -> Message {
        do { return try JSONDecoder().decode(Message.self, from: Data(line)) } catch {
            throw CloudletError(.protocolViolation, "a control message has the wrong form", cause: error)
        }
    }
}

extension CloudletHome {
    /// Where the node's control socket is; closed to other users (0700).
    package var controlDirectory: FilePath { root.appending("control") }
    /// The node's control socket (0600).
    package var controlSocket: FilePath { controlDirectory.appending("node.sock") }
}
