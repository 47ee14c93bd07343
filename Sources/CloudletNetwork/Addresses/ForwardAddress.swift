// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
package import CloudletCore
import CloudletSystem
import Glibc
import SystemPackage

/// The address of this host on which forwarded ports of a VM listen. QEMU's user network listens on IPv4 addresses
/// only, takes an empty address to mean all of them, and receives the address as part of a command; so the address is
/// checked first.
package enum ForwardAddress {
    /// Checks the form of an address.
    /// - Returns: why ports can't be forwarded from it; `nil` when they can.
    package static func objection(to text: String) -> String? {
        guard !text.isEmpty else { return "it is empty" }
        guard let scoped = ScopedAddress(text) else { return "it is not an IPv4 address" }
        guard scoped.address.isV4 else {
            return "it is an IPv6 address, and ports can only be forwarded from IPv4 addresses"
        }
        return scoped.objection
    }

    /// Fails unless ports can be forwarded from an address now: it must be a valid IPv4 address of this host.
    /// - Throws: `CloudletError.usage` for an invalid address, `.unavailable` for an address that this host does not
    ///   have.
    package static func require(_ text: String) throws(CloudletError) {
        guard objection(to: text) == nil, let address = IPAddress(text) else {
            throw CloudletError(
                .usage,
                "ports can't be forwarded from '\(text.displayable(limit: 60))': \(objection(to: text) ?? "")",
                advice: advice)
        }
        let socket = cloudlet_tcp_socket(AF_INET)
        guard socket >= 0 else { throw CloudletError(errno: errno, "can't create a socket") }
        defer { close(socket) }
        guard cloudlet_bind(socket, Endpoint(address, 0).raw) != 0 else { return }
        let failure = Errno(rawValue: errno).description
        throw CloudletError(
            .unavailable,
            "ports can't be forwarded from \(text): no interface of this host has that address (\(failure))",
            advice: advice)
    }

    private static let advice =
        "give an IPv4 address of this host, such as 127.0.0.1 or that of a LAN interface, or 0.0.0.0 for all of them"
}
