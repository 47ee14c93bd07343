// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// An IP address with its zone, as people and URLs write it: `10.0.0.5`, `fd00::5`, `fe80::1%eth0` (RFC 4007 §11).
///
/// The zone is not part of ``IPAddress``: prefixes, neighbours and senders are compared by the bits of their addresses,
/// while a zone is this host's own name for one of its links.
package struct ScopedAddress: Hashable, Sendable {
    /// The address.
    package let address: IPAddress
    /// The name or the number of an interface after `%`; `nil` when there is no `%`.
    package let zone: String?

    /// Creates an address with a zone.
    package init(_ address: IPAddress, zone: String?) {
        self.address = address
        self.zone = zone
    }

    /// Creates an address in the form that other programs of this host need: with the interface as its zone if it needs
    /// one.
    package init(_ address: IPAddress, on interface: String) {
        self.init(address, zone: address.needsZone ? interface : nil)
    }

    /// Reads `ADDRESS` or `ADDRESS%ZONE` without checking whether the zone is valid for the address (see
    /// ``objection``).
    /// - Returns: `nil` when the text does not begin with an IP address.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        self.init(address, zone: parts.dropFirst().first.map { String($0) })
    }

    /// The address as the host part of a URL: IPv6 in brackets, with its zone as most programs write it.
    package var urlHost: String { address.isV4 ? description : "[\(description)]" }

    /// The address without its zone.
    package var withoutZone: ScopedAddress { ScopedAddress(address, zone: nil) }

    /// Why this can't be the address of a host: it lacks a zone, or has one that it must not have; `nil` when it can
    /// be.
    package var objection: String? {
        guard let zone else { return address.needsZone ? "\(address) needs its interface, as in \(address)%eth0" : nil }
        let shown = "'%\(zone.displayable(limit: 20))'"
        if address.isV4 { return "an IPv4 address has no zone (\(shown))" }
        guard address.needsZone else { return "only link-local IPv6 addresses (fe80::) have a zone (\(shown))" }
        return zone.isEmpty ? "the zone after % is empty" : nil
    }

    /// Why a text is not the address of a host; `nil` when it is one.
    package static func objection(to text: some StringProtocol) -> String? {
        guard let scoped = ScopedAddress(text) else { return "it has no IP address" }
        return scoped.objection
    }
}

extension ScopedAddress: CustomStringConvertible {
    /// The address in its canonical form (RFC 5952), followed by `%` and the zone if it has one.
    package var description: String { zone.map { "\(address)%\($0)" } ?? "\(address)" }
}
