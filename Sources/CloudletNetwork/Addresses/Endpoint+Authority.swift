// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Endpoint {
    /// The endpoint of an authority; `nil` for a name, and for port 0. A zone in a text from another host is not used: it
    /// is that host's own name for a link.
    /// - Parameters:
    ///   - authority: the authority.
    ///   - port: the port to use when the authority has none.
    ///   - interface: the interface for link-local addresses.
    package init?(of authority: Authority, defaultPort port: UInt16, on interface: Int32) {
        guard let address = authority.address, authority.port != 0 else { return nil }
        self.init(address, authority.port ?? port, on: interface)
    }

    /// Reads `a.b.c.d:port` or `[v6]:port`, as in the header HOST of SSDP. A zone in the brackets is not used: it is
    /// the sender's own name for a link.
    package init?(_ text: some StringProtocol, on interface: Int32 = 0) {
        guard let authority = Authority(text), let address = authority.address, let port = authority.port else {
            return nil
        }
        self.init(address, port, on: interface)
    }
}
