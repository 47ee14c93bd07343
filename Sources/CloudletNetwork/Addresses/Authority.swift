// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

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
        guard let parts = HostAndPort(text) else { return nil }
        if parts.isBracketed {
            guard let address = Self.bracketed(parts.host) else { return nil }
            host = .address(address)
        } else {
            guard !parts.host.isEmpty, parts.host.utf8.allSatisfy(Self.isUnreserved) else { return nil }
            host = IPAddress(parts.host).map { .address(ScopedAddress($0, zone: nil)) } ?? .name(parts.host)
        }
        // The port after the colon may be missing.
        guard let digits = parts.port, !digits.isEmpty else {
            port = nil
            return
        }
        guard let number = HostAndPort.number(digits) else { return nil }
        port = number
    }

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

    /// The literal address; `nil` when the host is a name.
    package var address: IPAddress? { if case .address(let scoped) = host { scoped.address } else { nil } }

    /// Letters, digits, `-`, `.`, `_` and `~` (RFC 3986 §2.3).
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        0x30...0x39 ~= byte || 0x41...0x5A ~= byte & 0xDF || [0x2D, 0x2E, 0x5F, 0x7E].contains(byte)
    }
}
