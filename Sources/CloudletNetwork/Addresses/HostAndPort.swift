// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The texts of a host and of a port, `HOST:PORT` or `[HOST]:PORT`. The caller judges whether it can use the host.
package struct HostAndPort: Hashable, Sendable {
    /// The text before the colon, without brackets.
    package let host: String
    /// Whether the host was in brackets, as an IPv6 address must be in a URL.
    package let isBracketed: Bool
    /// The text after the last colon; `nil` when there is no colon.
    package let port: String?

    /// Splits a text.
    /// - Returns: `nil` when a bracket is not closed, or something other than a colon follows it.
    package init?(_ text: some StringProtocol) {
        let text = [UInt8](text.utf8)
        let colon: Int
        isBracketed = text.first == UInt8(ascii: "[")
        if isBracketed {
            guard let end = text.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            host = String(decoding: text[1..<end], as: UTF8.self)
            colon = end + 1
            guard colon == text.count || text[colon] == UInt8(ascii: ":") else { return nil }
        } else {
            colon = text.lastIndex(of: UInt8(ascii: ":")) ?? text.count
            host = String(decoding: text[..<colon], as: UTF8.self)
        }
        port = colon < text.count ? String(decoding: text[(colon + 1)...], as: UTF8.self) : nil
    }

    /// Reads the digits of a port; `nil` for another text and for a number above 65535.
    package static func number(_ digits: String) -> UInt16? {
        guard digits.utf8.count <= 5, digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        return UInt16(digits)
    }
}
