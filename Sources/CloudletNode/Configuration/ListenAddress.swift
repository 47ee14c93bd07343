// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import CloudletNetwork

/// An address and a port to listen on, written `ADDRESS:PORT`, `[ADDRESS]:PORT` or `:PORT`.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address; a link-local IPv6 address has its interface as its zone (`fe80::1%eth0`). `nil` stands for every
    /// LAN address.
    package let address: ScopedAddress?
    /// The port; 0 picks a free one.
    package let port: UInt16

    /// The accepted forms, for help and error messages.
    static let expected = "ADDRESS:PORT, as 192.168.1.5:8021 or [fd00::5]:8021, or :PORT for every LAN address"

    /// Thrown when a text is not an address to listen on.
    struct Invalid: Error {
        let reason: String
    }

    /// Creates an address.
    package init(address: ScopedAddress?, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Parses an address.
    init(_ text: String) throws(Invalid) {
        guard let parts = HostAndPort(text) else { throw Invalid(reason: "the brackets do not enclose the address") }
        guard let digits = parts.port else { throw Invalid(reason: "it has no port") }
        guard let port = HostAndPort.number(digits) else {
            throw Invalid(reason: "no port follows the last colon")
        }
        self.port = port
        if parts.host.isEmpty {
            address = nil
            return
        }
        if let reason = ScopedAddress.objection(to: parts.host) { throw Invalid(reason: reason) }
        address = ScopedAddress(parts.host)
    }

    /// The address in the form that is parsed.
    package var description: String {
        "\(address?.urlHost ?? ""):\(port)"
    }
}
