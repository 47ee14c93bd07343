import CloudletNetwork

/// How far away an address is that somebody names, seen from an interface.
enum Reach: Hashable, Sendable {
    /// On the interface's own link.
    case link
    /// On another network of the same site, by way of a router.
    case site
    /// Anywhere else, or no place of a host.
    case beyond
}

extension NetworkInterface {
    /// How far away an address is.
    ///
    /// Of the same site are the addresses that are private to sites (RFC 1918, RFC 6598, RFC 4193), and those that begin
    /// as one of the interface's own: with the same 48 bits of IPv6, which is what a site gets (RFC 6177), or the same 16
    /// of IPv4.
    func reach(of address: IPAddress) -> Reach {
        if address.isLoopback { return isLoopback ? .link : .beyond }
        guard address.isUnicast, !isBroadcast(address) else { return .beyond }
        if isOnLink(address) { return .link }
        if address.isLinkLocal { return .beyond }
        let isNear = addresses.contains { own in
            !own.address.isLinkLocal && own.address.shares(prefix: address.isV4 ? 16 : 48, with: address)
        }
        return isNear || address.isPrivate ? .site : .beyond
    }
}

extension IPAddress {
    /// Whether it means something within a site only: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918),
    /// 100.64.0.0/10 (RFC 6598), fc00::/7 (RFC 4193).
    var isPrivate: Bool {
        switch self {
        case .v4(let value):
            value >> 24 == 10 || value >> 20 == 0xAC1 || value >> 16 == 0xC0A8 || value >> 22 == 0x6440 >> 6
        case .v6(let high, _): high >> 57 == 0xFC >> 1
        }
    }
}

extension Candidate {
    /// Whether the host says so itself of the place where it is, as far as the sender of a datagram shows; so is what
    /// the user says, and what is known from before.
    var isOwn: Bool { source == nil || place?.address == source }

    /// The claim as far as it is followed, from `interface`; `nil` when it is not.
    ///
    /// Anybody can claim that a node is anywhere. What the finder does then must be harmless to a host that knows nothing
    /// of it: a host that did not speak for itself is asked for the status of a node and for nothing else, not even for
    /// a connection to another port, and must prove that it is the node. Hosts beyond the site are not asked, and
    /// nobody at a port where a request might be taken for something else.
    func followed(from interface: NetworkInterface) -> Candidate? {
        guard var place else { return self }
        let reach = interface.reach(of: place.address)
        guard reach != .beyond else { return nil }
        if let port = place.httpPort, UnsuitablePorts.all.contains(port) { return nil }
        place.isRouted = reach == .site && !isOwn
        // A description lies at a plain path; what comes behind `?` is for programs that do something.
        if place.descriptionPath?.contains("?") == true { place.descriptionPath = nil }
        if !isOwn {
            guard place.httpPort != nil else { return nil }
            place.descriptionPath = nil
            place.synthesisPort = nil
        }
        var result = self
        result.place = place
        return result
    }
}

/// TCP ports of services that may do something with the lines of an HTTP request that was not meant for them.
enum UnsuitablePorts {
    /// The "bad ports" of the WHATWG's Fetch standard (port blocking), which browsers don't ask either, and those at which
    /// printers print what they get (9100 to 9109, 6101).
    static let all: Set<UInt16> = Set(
        [
            0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
            109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
            526,
            530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659,
            4045,
            4190, 5060, 5061, 6000, 6101, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
        ] + Array(9100...9109))
}
