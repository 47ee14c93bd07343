extension StringProtocol {
    /// The text made harmless for a terminal, a log line or a table: control characters (C0, C1, DEL), line and
    /// paragraph separators and bidirectional overrides are replaced by `�`, and the result is cut to `limit`
    /// characters. Everything that came over the network passes through here before a person sees it.
    package func displayable(limit: Int = 200) -> String {
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
    /// The text of several lines made harmless, line by line; nothing is cut off.
    package var displayableLines: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { $0.displayable(limit: .max) }
            .joined(separator: "\n")
    }

    /// JSON with everything escaped that a terminal would act upon, or that turns text around; encoders escape only the
    /// lowest control characters. Outside of strings there is none of it.
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

    /// As many whole characters from the front as fit into `limit` bytes of UTF-8. Reads no more than those and the one
    /// after them: from the end, finding where a character begins may mean to read all of a long text each time.
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
        // ZWNJ and ZWJ (U+200C, U+200D) belong to words of some languages, and to emoji.
        case 0x061C, 0x200B, 0x200E...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: false
        default: true
        }
    }
}
