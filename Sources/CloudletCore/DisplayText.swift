// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension StringProtocol {
    /// The text made harmless for a terminal, a log line or a table: control characters (C0, C1, DEL), line and
    /// paragraph separators and bidirectional overrides are replaced by `�`, and the result is cut to `limit`
    /// characters. Use it for every text from the network, a guest or a file before showing it to a person.
    public func displayable(limit: Int = 200) -> String {
        var result = String.UnicodeScalarView()
        var count = 0
        for scalar in unicodeScalars {
            if count == limit {
                result.append("…")
                break
            }
            result.append(String.isHarmless(scalar) ? scalar : "\u{FFFD}")
            count += 1
        }
        return String(result)
    }
}

extension String {
    /// A text of several lines, made harmless line by line and not shortened.
    package var displayableLines: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { $0.displayable(limit: .max) }
            .joined(separator: "\n")
    }

    /// This JSON with every character escaped that a terminal interprets or that changes the direction of text. JSON
    /// encoders escape only U+0000 to U+001F. The other characters occur in strings only, where an escape is valid.
    package var displayableJSON: String {
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            if scalar == "\n" || Self.isHarmless(scalar) {
                result.append(scalar)
            } else {
                for unit in String(scalar).utf16 {
                    result.append(
                        contentsOf: ("\\u" + String(Int(unit) + 0x10000, radix: 16).dropFirst()).unicodeScalars)
                }
            }
        }
        return String(result)
    }

    /// The longest prefix of whole characters that fits into `limit` bytes of UTF-8. It is searched forwards: searching
    /// backwards for the start of a character can read the whole of a long text.
    package func cut(toBytes limit: Int) -> String {
        if utf8.count <= limit { return self }
        var result = ""
        var used = 0
        for character in self {
            used += character.utf8.count
            if used > limit { break }
            result.append(character)
        }
        return result
    }

    fileprivate static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F: false
        // ZWNJ and ZWJ (U+200C, U+200D) are not replaced: words of some languages and emoji need them.
        case 0x061C, 0x200B, 0x200E...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: false
        default: true
        }
    }
}
