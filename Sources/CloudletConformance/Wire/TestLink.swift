// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// The link on which a device is tested: an interface of this host, with sockets that listen to all groups of SSDP and
/// mDNS from the start.
final class TestLink: Sendable {
    /// The interface.
    let interface: NetworkInterface
    /// This host's IPv4 address there.
    let address: IPAddress
    /// Its IPv6 link-local address there.
    let linkLocal: IPAddress?
    private let prefixLength: Int
    private let listener: PacketListener
    private let ssdp: [Endpoint: RecordingSocket]
    private let mdns: [RecordingSocket]

    /// Creates the link that a target names or that leads to it; for an empty target, the first one with an IPv4
    /// address.
    /// - Throws: `CloudletError.noNetwork` when there is none.
    init(to target: String, listener: PacketListener) throws(CloudletError) {
        let (interface, own) = try Self.interface(for: target)
        self.interface = interface
        self.listener = listener
        (address, prefixLength) = (own.address, own.prefixLength)
        linkLocal = interface.addresses.map(\.address).first(where: \.needsZone)
        var groups: [Endpoint: RecordingSocket] = [:]
        for group in [Endpoint.ssdpV4, .ssdpLink, .ssdpSite] where group.address.isV4 || linkLocal != nil {
            groups[group] = try listener.group(group, on: interface)
        }
        ssdp = groups
        var responders = [try listener.group(.mdnsV4, on: interface)]
        if linkLocal != nil { responders.append(try listener.group(.mdnsV6, on: interface)) }
        mdns = responders
    }

    private static func interface(
        for target: String
    ) throws(CloudletError) -> (NetworkInterface, InterfaceAddress) {
        let wanted = IPAddress(target)
        for interface in try Netlink.interfaces() where interface.isUp {
            for own in interface.addresses where own.address.isV4 {
                let isRight =
                    if let wanted {
                        own.address.shares(prefix: own.prefixLength, with: wanted)
                    } else {
                        target.isEmpty ? !own.address.isLoopback : interface.name == target
                    }
                if isRight { return (interface, own) }
            }
        }
        throw CloudletError(
            .noNetwork,
            target.isEmpty ? "no network interface with an IPv4 address is up" : "no interface leads to \(target)",
            advice: "give an address on a network of this host, or the name of an interface")
    }

    /// Whether an address belongs to this link's IPv4 network.
    func contains(_ other: IPAddress) -> Bool { address.shares(prefix: prefixLength, with: other) }

    /// Creates a socket for queries, with a separate port unless one is given.
    func queryPort(
        port: UInt16 = 0, v6: Bool = false, hops: Int32 = 2
    ) throws(CloudletError) -> RecordingSocket {
        guard v6 else { return try queryPort(from: address, port: port, hops: hops) }
        guard let linkLocal else {
            throw CloudletError(.noNetwork, "this host has no IPv6 address on \(interface.name)")
        }
        return try queryPort(from: linkLocal, port: port, hops: hops)
    }

    /// Creates a socket for queries from another address of this host.
    func queryPort(
        from source: IPAddress, port: UInt16 = 0, hops: Int32
    ) throws(CloudletError) -> RecordingSocket {
        try listener.queryPort(from: source, port: port, on: interface, hops: hops)
    }

    /// A stream that yields at once and again whenever packets have arrived, until `time` is over.
    func arrivals(for time: Duration) -> AsyncStream<Void> { listener.arrivals(for: time) }

    /// The SSDP messages received from a group since a time.
    func announcements(
        to group: Endpoint = .ssdpV4, since time: ContinuousClock.Instant? = nil
    ) -> [ReceivedMessage] {
        (ssdp[group]?.packets(since: time) ?? []).compactMap(ReceivedMessage.init).filter(\.message.isNotify)
    }

    /// The mDNS multicast messages received since a time, over IPv4 and IPv6.
    func dns(since time: ContinuousClock.Instant? = nil) -> [ReceivedDNSMessage] {
        mdns.flatMap { $0.packets(since: time) }.compactMap(ReceivedDNSMessage.init).sorted { $0.time < $1.time }
    }
}

extension Endpoint {
    /// The groups of SSDP and mDNS.
    static let ssdpV4 = Endpoint(.v4(0xEFFF_FFFA), 1900)
    static let ssdpLink = Endpoint(.v6(high: 0xFF02 << 48, low: 0xC), 1900)
    static let ssdpSite = Endpoint(.v6(high: 0xFF05 << 48, low: 0xC), 1900)
    static let mdnsV4 = Endpoint(.v4(0xE000_00FB), 5353)
    static let mdnsV6 = Endpoint(.v6(high: 0xFF02 << 48, low: 0xFB), 5353)
}

/// A received mDNS message with the place and time of its arrival.
struct ReceivedDNSMessage: Sendable {
    let time: ContinuousClock.Instant
    let source: Endpoint
    let hops: Int
    let packet: DNSPacket

    init?(_ packet: Packet) {
        guard let message = DNSPacket(packet.bytes) else { return nil }
        (time, source, hops, self.packet) = (packet.time, packet.source, packet.hops, message)
    }
}

/// Sleeps; returns at once when the task is cancelled.
func pause(_ seconds: Double) async { try? await Task.sleep(for: .seconds(seconds)) }
