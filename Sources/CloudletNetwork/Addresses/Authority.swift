/// The host and the port in a URL or in the header Host (RFC 3986 §3.2, without user information): an IPv6 address in
/// brackets, an IPv4 address or a name, optionally followed by a colon and a port.
package struct Authority: Hashable, Sendable {
    /// The host of an authority.
    package enum Host: Hashable, Sendable {
        /// A literal address.
        case address(ScopedAddress)
        /// A name, as written.
        case name(String)
    }

    /// The host.
    package let host: Host
    /// The port; `nil` when the text has none.
    package let port: UInt16?

    /// Reads an authority.
    /// - Returns: `nil` when the text is not an authority.
    package init?(_ text: some StringProtocol) {
        let rest: Text
        let host: Host
        let text = Text(text.utf8)
        if text.first == UInt8(ascii: "[") {
            guard let end = text.firstIndex(of: UInt8(ascii: "]")),
                let address = Self.bracketed(String(decoding: text[1..<end], as: UTF8.self))
            else { return nil }
            host = .address(address)
            rest = Text(text[end...].dropFirst())
        } else {
            let name = text.prefix { $0 != UInt8(ascii: ":") }
            guard !name.isEmpty, name.allSatisfy(Self.isUnreserved) else { return nil }
            let string = String(decoding: name, as: UTF8.self)
            host = IPAddress(string).map { .address(ScopedAddress($0, zone: nil)) } ?? .name(string)
            rest = Text(text.dropFirst(name.count))
        }
        self.host = host
        guard !rest.isEmpty else {
            port = nil
            return
        }
        guard rest[0] == UInt8(ascii: ":") else { return nil }
        // The port after the colon may be missing.
        guard rest.count > 1 else {
            port = nil
            return
        }
        guard let number = Self.port(rest.dropFirst()) else { return nil }
        port = number
    }

    private typealias Text = [UInt8]

    /// Reads the text between brackets. A zone follows `%25` (RFC 6874) or a plain `%`, which most programs write
    /// instead.
    /// - Returns: `nil` unless it is an IPv6 address, with a well-formed zone if it has one.
    private static func bracketed(_ text: String) -> ScopedAddress? {
        guard let scoped = ScopedAddress(text), !scoped.address.isV4 else { return nil }
        guard let zone = scoped.zone else { return scoped }
        let name = zone.hasPrefix("25") && zone.utf8.count > 2 ? String(zone.dropFirst(2)) : zone
        guard !name.isEmpty, name.utf8.allSatisfy(isUnreserved) else { return nil }
        return ScopedAddress(scoped.address, zone: name)
    }

    private static func port(_ digits: ArraySlice<UInt8>) -> UInt16? {
        guard digits.count <= 5, digits.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        return UInt16(String(decoding: digits, as: UTF8.self))
    }

    /// The literal address; `nil` when the host is a name.
    package var address: IPAddress? { if case .address(let scoped) = host { scoped.address } else { nil } }

    /// Letters, digits, `-`, `.`, `_` and `~` (RFC 3986 §2.3).
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        0x30...0x39 ~= byte || 0x41...0x5A ~= byte & 0xDF || [0x2D, 0x2E, 0x5F, 0x7E].contains(byte)
    }
}
