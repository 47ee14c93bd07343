/// A search that deserves an answer (UDA 2.0 §1.3.2).
struct SSDPSearch: Hashable, Sendable {
    /// What is searched for (ST).
    let target: String
    /// The longest time to wait before answering; `nil` for a unicast search, which is answered at once.
    let maximumWait: Int?

    /// Checks a request that was sent to `group`: MAN with its quotes, HOST the group itself, MX a whole number (0 is
    /// taken as 1, more than 5 as 5).
    init?(multicast message: SSDPMessage, to group: IPAddress) {
        guard let target = Self.target(of: message),
            message["HOST"].flatMap(HostAndPort.init) == HostAndPort(group, 1900),
            let field = message["MX"], field.utf8.count <= 9, field.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let wait = Int(field)
        else { return nil }
        self.target = target
        maximumWait = min(max(wait, 1), 5)
    }

    /// Checks a request that was sent to one of the node's own addresses: MAN, and a HOST that is one. MX is not looked
    /// at.
    init?(unicast message: SSDPMessage) {
        guard let target = Self.target(of: message), let host = message["HOST"], HostAndPort(host) != nil else {
            return nil
        }
        self.target = target
        maximumWait = nil
    }

    private static func target(of message: SSDPMessage) -> String? {
        guard message.startLine == .search, message["MAN"] == "\"ssdp:discover\"", let target = message["ST"],
            !target.isEmpty, target.utf8.count <= 256
        else { return nil }
        return target
    }
}

/// A literal address and a port as in HOST and in URLs; `[ ]` around IPv6.
struct HostAndPort: Hashable, Sendable {
    let address: IPAddress
    let port: UInt16

    init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    /// From `a.b.c.d:port` or `[v6]:port`. A zone in the brackets (`%eth0`) is dropped: it means something to the
    /// sender only.
    init?(_ text: String) {
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
