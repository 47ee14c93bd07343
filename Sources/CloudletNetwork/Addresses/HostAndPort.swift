/// A literal address and a port as in HOST and in URLs; `[ ]` around IPv6.
package struct HostAndPort: Hashable, Sendable {
    package let address: IPAddress
    package let port: UInt16

    package init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    /// From `a.b.c.d:port` or `[v6]:port`. A zone in the brackets (`%eth0`) is dropped: it means something to the
    /// sender only.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.first == "[" {
            guard host.last == "]" else { return nil }
            host = host.dropFirst().dropLast().prefix { $0 != "%" }
            guard let address = IPAddress(String(host)), !address.isV4 else { return nil }
            self.init(address, port)
        } else {
            guard let address = IPAddress(String(host)), address.isV4 else { return nil }
            self.init(address, port)
        }
    }
}
