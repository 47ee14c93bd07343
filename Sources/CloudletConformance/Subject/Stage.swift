import CloudletCore

/// Where a check takes place: an interface of this host with ears on all groups of SSDP and mDNS, from the beginning on.
final class Stage: Sendable {
    /// This host's IPv4 address there.
    let own: OwnAddress
    /// Its IPv6 link-local address there.
    let own6: OwnAddress?
    let ear: Ear
    private let ssdp: [Place: UDPPort]
    private let mdns: [UDPPort]

    /// An interface with an IPv4 address that can be heard on.
    init(_ own: OwnAddress, ear: Ear) throws(CloudletError) {
        self.own = own
        self.ear = ear
        own6 = OwnAddress.all().first { $0.index == own.index && $0.place.isV6 && $0.place.isLinkLocal }
        var ports: [Place: UDPPort] = [:]
        for group in [Place.ssdpV4, .ssdpLink, .ssdpSite] where !group.isV6 || own6 != nil {
            ports[group] = try ear.group(group, on: own.interface, index: own.index)
        }
        ssdp = ports
        var responders = [try ear.group(.mdnsV4, on: own.interface, index: own.index)]
        if own6 != nil { responders.append(try ear.group(.mdnsV6, on: own.interface, index: own.index)) }
        mdns = responders
    }

    /// The interface that a target names, or that leads to it.
    /// - Throws: `CloudletError.noNetwork` when there is none.
    static func interface(for target: String) throws(CloudletError) -> OwnAddress {
        let all = OwnAddress.all().filter { !$0.place.isV6 }
        let place = Place(target)
        let found = all.first { own in
            if let place { return own.place.shares(own.prefix, with: place) }
            return target.isEmpty ? !own.place.isLoopback : own.interface == target
        }
        guard let found else {
            throw CloudletError(
                .noNetwork,
                target.isEmpty ? "no network interface with an IPv4 address is up" : "no interface leads to \(target)",
                advice: "give an address of a network this host is on, or the name of an interface")
        }
        return found
    }

    /// A socket to ask from, with a port of its own unless one is given.
    func asker(port: UInt16 = 0, v6: Bool = false, hops: Int32 = 2) throws(CloudletError) -> UDPPort {
        guard v6 else { return try ear.asker(from: own.place, port: port, index: own.index, hops: hops) }
        guard let own6 else { throw CloudletError(.noNetwork, "this host has no IPv6 address on \(own.interface)") }
        return try ear.asker(from: own6.place, port: port, index: own6.index, hops: hops)
    }

    /// The SSDP messages sent to a group since a time.
    func announcements(to group: Place = .ssdpV4, since time: ContinuousClock.Instant? = nil) -> [Heard] {
        (ssdp[group]?.packets(since: time) ?? []).compactMap(Heard.init).filter(\.message.isNotify)
    }

    /// The mDNS messages multicast since a time, over both families.
    func dns(since time: ContinuousClock.Instant? = nil) -> [HeardDNS] {
        mdns.flatMap { $0.packets(since: time) }.compactMap(HeardDNS.init).sorted { $0.time < $1.time }
    }
}

/// An mDNS message with where and when it was heard.
struct HeardDNS: Sendable {
    let time: ContinuousClock.Instant
    let source: Place
    let hops: Int
    let packet: DNSPacket

    init?(_ packet: Packet) {
        guard let message = DNSPacket(packet.bytes) else { return nil }
        (time, source, hops, self.packet) = (packet.time, packet.source, packet.hops, message)
    }
}

/// Sleeps; a cancelled task goes on at once.
func pause(_ seconds: Double) async { try? await Task.sleep(for: .seconds(seconds)) }
