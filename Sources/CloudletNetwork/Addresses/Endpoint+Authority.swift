extension Authority {
    /// The endpoint to connect to. A zone in a text from another host is not used: it is that host's own name for a
    /// link.
    /// - Parameters:
    ///   - port: the port to use when the text has none.
    ///   - interface: the interface for link-local addresses.
    /// - Returns: the endpoint; `nil` for a name, and for port 0.
    package func endpoint(defaultPort port: UInt16, on interface: Int32) -> Endpoint? {
        guard let address, self.port != 0 else { return nil }
        return Endpoint(address, self.port ?? port, on: interface)
    }
}

extension Endpoint {
    /// Reads `a.b.c.d:port` or `[v6]:port`, as in the header HOST of SSDP. A zone in the brackets is not used: it is
    /// the sender's own name for a link.
    package init?(_ text: some StringProtocol, on interface: Int32 = 0) {
        guard let authority = Authority(text), let address = authority.address, let port = authority.port else {
            return nil
        }
        self.init(address, port, on: interface)
    }
}
