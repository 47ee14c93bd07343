// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A domain name. Comparison ignores the case of ASCII letters (RFC 1035 §2.3.3).
package struct DNSName: Hashable, Sendable, CustomStringConvertible {
    /// The labels as received, without the root. They are usually UTF-8, but need not be.
    private let raw: [[UInt8]]
    private let key: [[UInt8]]

    /// Creates a name from the bytes of its labels.
    package init(bytes labels: [[UInt8]]) {
        raw = labels
        key = labels.map { label in label.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 } }
    }

    /// Creates a name from its labels.
    package init(_ labels: [String]) { self.init(bytes: labels.map { Array($0.utf8) }) }

    /// Creates a name from its dotted form; labels can't contain dots.
    package init(dotted text: String) { self.init(text.split(separator: ".").map(String.init)) }

    /// The labels as text; bytes that are not UTF-8 become U+FFFD.
    package var labels: [String] { raw.map { String(decoding: $0, as: UTF8.self) } }

    /// The name without its first label.
    package var parent: DNSName { DNSName(bytes: Array(raw.dropFirst())) }

    /// The dotted form, for log lines.
    package var description: String { labels.joined(separator: ".") }

    /// The uncompressed wire form (RFC 1035 §3.1), with labels cut to 63 bytes.
    package var bytes: [UInt8] {
        raw.flatMap { label in
            let text = label.prefix(63)
            return [UInt8(text.count)] + text
        } + [0]
    }

    package static func == (left: Self, right: Self) -> Bool { left.key == right.key }
    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
