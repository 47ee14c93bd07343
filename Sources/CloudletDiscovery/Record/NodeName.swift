import CloudletCore

/// The one form of a node's name that all protocols take as it is: XML and JSON, UPnP's `friendlyName` (under 64
/// characters, UDA 2.0 §2.3) and DNS-SD's instance names (1 to 63 bytes of UTF-8 without control characters, RFC 6763
/// §4.1.1).
public enum NodeName {
    /// Bytes of UTF-8 that a name may have.
    package static let limit = 63
    /// The name of a node that has none.
    package static let fallback = "Cloudlet"

    /// The name in that form: control characters and separators of lines become blanks; marks that reorder text or are
    /// never seen are left out; blanks at the ends, and what is too long, are cut off.
    public static func clean(_ text: String) -> String { visible(text) ?? fallback }

    /// As `clean`; `nil` when nothing that can be seen is left.
    public static func visible(_ text: String) -> String? {
        var scalars = String.UnicodeScalarView()
        // A scalar has a byte at least: what comes later is cut off in any case, but for what is left out.
        for scalar in text.unicodeScalars.prefix(4096) {
            switch scalar.value {
            case 0x00...0x1F, 0x7F...0x9F, 0x2028, 0x2029: scalars.append(" ")
            case 0x061C, 0x200B, 0x200E, 0x200F, 0x202A...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: continue
            default: scalars.append(scalar)
            }
        }
        let name = trimmed(trimmed(String(scalars)).cut(toBytes: limit))
        let isSeen = name.unicodeScalars.contains { scalar in
            // Braille's blank is a sign by its properties.
            !scalar.properties.isWhitespace && !scalar.properties.isDefaultIgnorableCodePoint && scalar != "\u{2800}"
        }
        return isSeen ? name : nil
    }

    /// The name to try when another node has this one: `X`, `X #2`, `X #3`, as avahi has it.
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
