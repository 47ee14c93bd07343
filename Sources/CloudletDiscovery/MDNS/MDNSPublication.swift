// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// A node's record as DNS-SD publishes it (RFC 6763): instance name, port, TXT strings, subtypes. All of it is valid by the
/// RFC's rules: avahi's library aborts the process, or publishes nonsense, when it is not.
package struct MDNSPublication: Hashable, Sendable {
    /// The service type.
    package static let type = "_cloudlet._tcp"
    /// The service type that the original's Android client of 2014 searches for.
    package static let oldType = "_cloudlet._udp"

    /// The requested instance name: 1 to 63 bytes of UTF-8 without control characters (RFC 6763 §4.1.1).
    package let name: String
    /// The port of the synthesis protocol.
    package let port: UInt16
    /// The strings of the TXT record (RFC 6763 §6), `txtvers` first; each at most 255 bytes, at most 400 together.
    package let txt: [String]
    /// Subtypes such as `_gpu._sub._cloudlet._tcp`: one for each feature and each base VM.
    package let subtypes: [String]

    private static let txtLimit = 400
    /// How many hexadecimal digits of a base VM's hash are published.
    private static let prefixLength = 8

    private static func prefix(of base: HeldBase) -> String { String(base.hash.hex.prefix(prefixLength)) }

    /// The largest number of services and subtypes that avahi accepts in one group.
    private static let maximumEntries = 32

    /// Creates the publication of `record`. Load and memory are rounded, so that small changes cause no new publication.
    /// `withOldName` says whether to leave room in the group for a second service of the old type.
    package init(_ record: NodeRecord, withOldName: Bool = false) {
        name = record.requestedName
        port = record.synthesisPort
        let features = record.features.filter(Self.isLabel)
        var strings = [
            "txtvers=1", "id=\(record.id)", "api=\(record.apiVersion)", "http=\(record.httpPort)",
            "load=\((record.loadPercent + 5) / 10 * 10)", "mem=\((record.freeMemory.bytes >> 28) * 256)",
        ]
        let prefixes = record.bases.map(Self.prefix)
        let bootable = record.bootableBases.map(Self.prefix)
        for (key, words) in [("bases", prefixes), ("feat", features), ("boot", bootable)] where !words.isEmpty {
            let left = Self.txtLimit - strings.reduce(0) { $0 + $1.utf8.count + 1 }
            // Only the last list may find no room.
            guard left > key.utf8.count + 2 + Self.prefixLength else { break }
            strings.append(Self.list(key, words, limit: min(255, left - 1)))
        }
        txt = strings
        subtypes = (features + prefixes.map { "base-\($0)" }).prefix(
            Self.maximumEntries - (withOldName ? 2 : 1)
        ).map {
            "_\($0.lowercased())._sub.\(Self.type)"
        }
    }

    /// `key=a,b,c` with as many of the first words as fit into `limit` bytes.
    private static func list(_ key: String, _ words: [String], limit: Int) -> String {
        var result = "\(key)="
        for word in words {
            let separator = result.utf8.last == UInt8(ascii: "=") ? "" : ","
            if result.utf8.count + separator.utf8.count + word.utf8.count > limit { break }
            result += separator + word
        }
        return result
    }

    /// Whether a word can be a subtype's label: 1 to 20 letters, digits and hyphens.
    private static func isLabel(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 20
            && text.utf8.allSatisfy {
                switch $0 {
                case 0x2D, 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: false
                }
            }
    }
}
