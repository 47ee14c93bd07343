// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork

/// An absolute http URL with a literal address.
struct WebAddress: Hashable, Sendable, CustomStringConvertible {
    let endpoint: Endpoint
    let path: String

    init(_ endpoint: Endpoint, path: String) { (self.endpoint, self.path) = (endpoint, path) }

    /// Reads a URL; `nil` for other schemes and for host names. `interface` is used for link-local addresses.
    init?(_ text: String, on interface: Int32 = 0) {
        guard let url = AbsoluteURL(text), let endpoint = url.endpoint(on: interface) else { return nil }
        self.init(endpoint, path: url.path)
    }

    /// Resolves a reference in a document at this address (RFC 3986 §5, as far as UPnP uses it).
    func resolving(_ reference: String) -> WebAddress? {
        if reference.lowercased().hasPrefix("http:") { return WebAddress(reference, on: endpoint.interface) }
        if reference.hasPrefix("//") { return WebAddress("http:" + reference, on: endpoint.interface) }
        if reference.hasPrefix("/") { return WebAddress(endpoint, path: reference) }
        let folder = path.prefix(through: path.lastIndex(of: "/") ?? path.startIndex)
        return WebAddress(endpoint, path: folder + reference)
    }

    /// Whether both have the same address, whatever their ports.
    func isSameHost(as other: WebAddress) -> Bool { endpoint.address == other.endpoint.address }

    var description: String { "http://\(endpoint)\(path)" }
}
