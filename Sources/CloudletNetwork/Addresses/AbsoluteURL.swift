// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The parts of a URL that names its host, `SCHEME://AUTHORITY/PATH?QUERY` (RFC 3986 §3). The caller judges whether it
/// can use the parts.
package struct AbsoluteURL: Hashable, Sendable {
    /// The scheme in lower case.
    package let scheme: String
    /// The text between `//` and the path.
    package let authority: String
    /// Path and query as in a request line; begins with `/`.
    package let path: String

    /// Splits a URL.
    /// - Returns: `nil` for a relative reference and for a text with a character that no URL has (blanks, controls,
    ///   anything but ASCII).
    package init?(_ text: some StringProtocol) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let mark = text.firstRange(of: "://"),
            let first = text.utf8.first, 0x41...0x5A ~= first & 0xDF
        else { return nil }
        scheme = text[..<mark.lowerBound].lowercased()
        let rest = text[mark.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        self.authority = String(authority)
        let path = rest[authority.endIndex...]
        self.path = path.first == "/" ? String(path) : "/" + path
    }

    /// The host and port of the authority, without user information (`USER:PASSWORD@`, RFC 3986 §3.2.1); `nil` when there
    /// are none. An `@` belongs in a URL once, because programs differ in which of several they use, and so they do about a
    /// `\`, which no user information contains.
    package var server: Authority? {
        guard !authority.contains("\\") else { return nil }
        return authority.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).last
            .flatMap { Authority($0) }
    }

    /// The endpoint of an http URL with a literal address. A zone in the URL is not used (see
    /// ``Endpoint/init(of:defaultPort:on:)``).
    /// - Parameter interface: the interface for link-local addresses.
    /// - Returns: the endpoint; `nil` for every other URL.
    package func endpoint(on interface: Int32 = 0) -> Endpoint? {
        guard scheme == "http", let authority = Authority(authority) else { return nil }
        return Endpoint(of: authority, defaultPort: 80, on: interface)
    }
}
