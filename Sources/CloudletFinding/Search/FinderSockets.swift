// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import Glibc

/// The sockets of a search: for each interface and address family one that asks by SSDP and one that asks by mDNS, and,
/// while watching, one of each that listens to announcements. The object closes them when it is released.
final class FinderSockets {
    /// An open socket.
    struct Socket: Sendable {
        let descriptor: Int32
        let origin: DiscoveryOrigin
        let group: IPAddress
        let interface: NetworkInterface
        /// Whether it sends questions; the other sockets listen.
        let sendsQuestions: Bool

        /// Whether to accept a datagram.
        ///
        /// Multicast datagrams come from the link, whatever their source address (RFC 6762 §11): a link may carry
        /// several networks. SSDP responses may have crossed a router, as the search may (UDA 2.0 §1.3.2). Unicast mDNS
        /// responses must come from the link: from an address of its networks, or with a hop limit of 255, which no
        /// packet from behind a router has (RFC 5082 §3).
        func takes(from sender: IPAddress, hops: Int32) -> Bool {
            if sender.isLoopback { return true }
            guard sender.isUnicast, !interface.isBroadcast(sender) else { return false }
            return !sendsQuestions || origin == .ssdp || hops == 255 || interface.isOnLink(sender)
        }
    }

    /// The open sockets.
    let open: [Socket]

    /// Takes ownership of open sockets.
    init(_ sockets: [Socket]) { open = sockets }

    deinit {
        for socket in open { close(socket.descriptor) }
    }

    /// The mDNS group of the address's family: 224.0.0.251 or ff02::fb.
    static func mdnsGroup(for address: IPAddress) -> IPAddress {
        address.isV4 ? .v4(0xE000_00FB) : .v6(high: 0xFF02_0000_0000_0000, low: 0xFB)
    }

    /// Opens the sockets of a search by `protocols` on one interface.
    /// - Returns: the sockets, which the caller owns, and the reasons why others could not be opened.
    static func open(
        on interface: NetworkInterface, protocols: Set<DiscoveryOrigin>, listening: Bool
    ) -> (sockets: [Socket], failures: [String]) {
        var sockets: [Socket] = []
        var failures: [String] = []
        func take(_ socket: Socket) {
            // A hundred nodes may answer at once; the default buffer holds half of their answers.
            DatagramSocket.enlargeReceiveBuffer(socket.descriptor, to: 4 << 20)
            sockets.append(socket)
        }
        func add(_ origin: DiscoveryOrigin, _ group: IPAddress, from address: IPAddress) {
            let isHeard = sockets.contains { !$0.sendsQuestions && $0.group == group }
            do {
                // A one-shot query comes from any port and must not leave the link (RFC 6762 §5.1); an SSDP search may
                // cross one router (UDA 2.0 §1.3.2).
                let sender = try DatagramSocket.sender(
                    from: address, port: 0, on: interface, hops: origin == .mdns ? 255 : 2)
                take(
                    Socket(descriptor: sender, origin: origin, group: group, interface: interface, sendsQuestions: true)
                )
                if origin == .mdns { try DatagramSocket.reportHops(sender, ofV4: address.isV4) }
                guard listening, !isHeard else { return }
                let listener = try DatagramSocket.receiver(
                    of: group, port: origin == .mdns ? 5353 : 1900, on: interface)
                take(
                    Socket(
                        descriptor: listener, origin: origin, group: group, interface: interface, sendsQuestions: false)
                )
            } catch {
                failures.append("\(error)")
            }
        }
        for link in links(on: interface) {
            if protocols.contains(.ssdp) { add(.ssdp, link.group, from: link.address) }
            guard protocols.contains(.mdns), link.group != SSDPGroup.siteLocal else { continue }
            add(.mdns, mdnsGroup(for: link.address), from: link.address)
        }
        return (sockets, failures)
    }

    /// The addresses to ask from, with their groups: one address of each IPv4 network of the interface, because
    /// responders answer only addresses of their own networks, and the IPv6 addresses that SSDP uses.
    static func links(on interface: NetworkInterface) -> [SSDPLink] {
        var links = SSDPLink.all(on: interface)
        for own in interface.addresses where own.address.isV4 && links.count < maximumLinks {
            let isCovered = links.contains { link in
                interface.addresses.contains {
                    $0.address == link.address && $0.prefixLength == own.prefixLength
                        && own.address.shares(prefix: own.prefixLength, with: link.address)
                }
            }
            if isCovered { continue }
            links.append(SSDPLink(interface: interface, address: own.address, group: SSDPGroup.v4))
        }
        return links
    }

    /// The largest number of addresses to ask from on one interface.
    private static let maximumLinks = 16

    /// Sends a question from every socket of its protocol.
    /// - Returns: for each of these `nil`, or why nothing could be sent.
    static func ask(_ question: FinderTimetable.Question, by sockets: [Socket]) -> [String?] {
        sockets.filter(\.sendsQuestions).compactMap { socket in
            switch question {
            case .ssdp(let target) where socket.origin == .ssdp:
                return send(SSDPCandidates.search(target, to: socket.group).bytes, by: socket, port: 1900)
            case .mdns where socket.origin == .mdns:
                return send(MDNSCandidates.query.queryBytes, by: socket, port: 5353)
            default: return nil
            }
        }
    }

    /// Sends the questions that an mDNS response left open.
    /// - Returns: why nothing could be sent; `nil` when they were sent.
    static func ask(_ questions: [DNSQuestion], by socket: Socket) -> String? {
        var query = DNSMessage()
        query.questions = Array(questions.prefix(32))
        return send(query.queryBytes, by: socket, port: 5353) ?? nil
    }

    /// Sends a query; returns `.some(nil)` when it was sent.
    private static func send(_ bytes: [UInt8], by socket: Socket, port: UInt16) -> String?? {
        let target = Endpoint(socket.group, port, on: socket.interface.index)
        if DatagramSocket.send(bytes, from: socket.descriptor, to: target) { return .some(nil) }
        return "can't send to \(socket.group) on \(socket.interface.name)"
    }
}

/// The beginning of a search: opens the sockets and sends the first questions before anything else is prepared. Its
/// receiver owns the sockets.
struct FinderOpening: Sendable {
    let interfaces: [NetworkInterface]
    let sockets: [FinderSockets.Socket]
    var inbox: FinderInbox
    var timetable: FinderTimetable

    /// Opens sockets on `interfaces` and sends the first questions.
    init(on interfaces: [NetworkInterface], _ options: FinderOptions, _ inbox: FinderInbox = FinderInbox()) {
        self.interfaces = interfaces
        self.inbox = inbox
        var sockets: [FinderSockets.Socket] = []
        for interface in interfaces {
            let opened = FinderSockets.open(
                on: interface, protocols: options.protocols, listening: options.isWatching)
            sockets += opened.sockets
            for failure in opened.failures { self.inbox.note(failure: failure) }
        }
        self.sockets = sockets
        let now = ContinuousClock.now
        timetable = FinderTimetable(start: now, isEndless: options.isWatching)
        for question in timetable.takeDue(at: now) {
            for failure in FinderSockets.ask(question, by: sockets) { self.inbox.noteSent(failure) }
        }
    }
}
