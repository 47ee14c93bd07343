// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import CloudletSystem
import FoundationEssentials
package import SystemPackage

/// The protocol by which the programs of one user communicate with the node that runs in the same home.
///
/// A connection carries one request and its replies. Every message is one JSON object (RFC 8259) on a line of its own:
///
///     {"body":{"session":"12345678901234567"},"request":"stop-session","version":1}
///     {"body":"ended","version":1}
///
/// A reply has either a `body`, whose form depends on the request, or an `error` with `code` (a word of
/// ``CloudletCore/CloudletError/Code``) and `message`. The node closes the connection after the last reply. New
/// requests, and new keys that a reader may ignore, don't change the version; every other change increases it.
package enum ControlProtocol {
    /// The version that this program speaks.
    package static let version = 1
    /// The longest request in bytes, including its line feed.
    package static let maximumRequestBytes = 64 << 10
    /// The longest reply in bytes. A list of ten thousand sessions takes a tenth of it.
    static let maximumReplyBytes = 64 << 20

    static let lineFeed = UInt8(ascii: "\n")

    /// Encodes a message as it is sent.
    static func line(_ message: some Encodable) throws(CloudletError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return Array(try encoder.encode(message)) + [lineFeed] } catch {
            throw CloudletError(.defect, "can't write a control message", cause: error)
        }
    }

    /// Parses a message that was received.
    static func read<Message: Decodable>(_: Message.Type, _ line: [UInt8]) throws(CloudletError) -> Message {
        do { return try JSONDecoder().decode(Message.self, from: Data(line)) } catch {
            throw CloudletError(.protocolViolation, "a control message has the wrong form", cause: error)
        }
    }
}

extension CloudletHome {
    /// The directory of the node's control socket; other users can't open it (0700).
    package var controlDirectory: FilePath { root.appending("control") }
    /// The node's control socket (0600).
    package var controlSocket: FilePath { controlDirectory.appending("node.sock") }
}
