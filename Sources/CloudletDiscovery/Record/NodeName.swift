// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// The form of a node's name that every protocol accepts unchanged: XML and JSON, UPnP's `friendlyName` (under 64
/// characters, UDA 2.0 §2.3), and DNS-SD's instance names (1 to 63 bytes of UTF-8 without control characters, RFC 6763
/// §4.1.1).
public enum NodeName {
    /// The largest number of UTF-8 bytes in a name.
    package static let limit = 63
    /// The name of a node without a name.
    package static let defaultName = "Cloudlet"

    /// Brings a name into that form: replaces control characters and line separators with spaces, removes invisible
    /// characters and those that reorder text, and cuts off spaces at the ends and everything beyond the limit.
    public static func clean(_ text: String) -> String { visible(text) ?? defaultName }

    /// As `clean`, but `nil` when nothing visible is left.
    public static func visible(_ text: String) -> String? {
        var scalars = String.UnicodeScalarView()
        // Each scalar is at least one byte long, so that later ones are cut off anyway, unless many are removed.
        for scalar in text.unicodeScalars.prefix(4096) {
            switch scalar.value {
            case 0x00...0x1F, 0x7F...0x9F, 0x2028, 0x2029: scalars.append(" ")
            case 0x061C, 0x200B, 0x200E, 0x200F, 0x202A...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: continue
            default: scalars.append(scalar)
            }
        }
        let name = trimmed(trimmed(String(scalars)).cut(toBytes: limit))
        let isSeen = name.unicodeScalars.contains { scalar in
            // By its properties, the Braille blank is a visible sign.
            !scalar.properties.isWhitespace && !scalar.properties.isDefaultIgnorableCodePoint && scalar != "\u{2800}"
        }
        return isSeen ? name : nil
    }

    /// The name to try when another node uses this one: `X`, `X #2`, `X #3`, as avahi does.
    package static func alternative(to name: String) -> String {
        var (stem, number) = (name, 2)
        if let mark = name.ranges(of: " #").last, let old = Int(name[mark.upperBound...]), 2..<1_000_000 ~= old {
            (stem, number) = (String(name[..<mark.lowerBound]), old + 1)
        }
        let ending = " #\(number)"
        return trimmed(stem.cut(toBytes: limit - ending.utf8.count)) + ending
    }

    private static func trimmed(_ text: String) -> String {
        func isBlank(_ character: Character) -> Bool { character.isWhitespace }
        guard let first = text.firstIndex(where: { !isBlank($0) }), let last = text.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(text[first...last])
    }
}
