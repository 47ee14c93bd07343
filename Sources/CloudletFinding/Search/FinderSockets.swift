import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import Glibc

/// The sockets of a search: for each interface and address family one that asks by SSDP and one that asks by mDNS, and
/// while watching one each that listens to announcements. Closed when they are let go.
final class FinderSockets {
    /// An open socket.
    struct Socket: Sendable {
        let descriptor: Int32
        let origin: DiscoveryOrigin
        let group: IPAddress
        let interface: NetworkInterface
        /// Whether it asks; others listen.
        let isAsker: Bool

        /// Whether a datagram is taken in.
        ///
        /// What comes by multicast comes from the link, whatever its sender's address (RFC 6762 §11): a link may carry
        /// several networks. Answers by SSDP may have crossed a router, as the search may (UDA 2.0 §1.3.2). Those by
        /// mDNS to this socket alone must come from the link: by their sender's network, or with all their hops left,
        /// which no packet from behind a router has (RFC 5082 §3).
        func takes(from sender: IPAddress, hops: Int32) -> Bool {
            if sender.isLoopback { return true }
            guard sender.isUnicast, !interface.isBroadcast(sender) else { return false }
            return !isAsker || origin == .ssdp || hops == 255 || interface.isOnLink(sender)
        }
    }

    /// The sockets.
    let open: [Socket]

    /// Takes over sockets.
    init(_ sockets: [Socket]) { open = sockets }

    deinit {
        for socket in open { close(socket.descriptor) }
    }

    /// The mDNS group of an address's family: 224.0.0.251 or ff02::fb.
    static func mdnsGroup(for address: IPAddress) -> IPAddress {
        address.isV4 ? .v4(0xE000_00FB) : .v6(high: 0xFF02_0000_0000_0000, low: 0xFB)
    }

    /// Opens what a search by `protocols` needs on one interface; the caller owns the sockets.
    /// - Returns: the sockets, and what could not be opened and why.
    static func open(
        on interface: NetworkInterface, protocols: Set<DiscoveryOrigin>, listening: Bool
    ) -> (sockets: [Socket], failures: [String]) {
        var sockets: [Socket] = []
        var failures: [String] = []
        func take(_ socket: Socket) {
            // A hundred nodes answer at once; the usual buffer holds half of it.
            DatagramSocket.enlargeReceiveBuffer(socket.descriptor, to: 4 << 20)
            sockets.append(socket)
        }
        func add(_ origin: DiscoveryOrigin, _ group: IPAddress, from address: IPAddress) {
            let isHeard = sockets.contains { !$0.isAsker && $0.group == group }
            do {
                // One-shot queries come from any port and live on the link (RFC 6762 §5.1); SSDP crosses one router
                // (UDA 2.0 §1.3.2).
                let asker = try DatagramSocket.sender(
                    from: address, port: 0, on: interface, hops: origin == .mdns ? 255 : 2)
                take(Socket(descriptor: asker, origin: origin, group: group, interface: interface, isAsker: true))
                if origin == .mdns { try DatagramSocket.tellHops(asker, ofV4: address.isV4) }
                guard listening, !isHeard else { return }
                let listener = try DatagramSocket.receiver(
                    of: group, port: origin == .mdns ? 5353 : 1900, on: interface)
                take(Socket(descriptor: listener, origin: origin, group: group, interface: interface, isAsker: false))
            } catch {
                failures.append("\(error)")
            }
        }
        for place in places(on: interface) {
            if protocols.contains(.ssdp) { add(.ssdp, place.group, from: place.address) }
            guard protocols.contains(.mdns), place.group != SSDPGroup.siteLocal else { continue }
            add(.mdns, mdnsGroup(for: place.address), from: place.address)
        }
        return (sockets, failures)
    }

    /// Where to ask from: an address of each IPv4 network of the interface, as responders answer those of their own
    /// networks only, and the addresses of IPv6 that SSDP is spoken from.
    static func places(on interface: NetworkInterface) -> [SSDPLink] {
        var places = SSDPLink.all(on: interface)
        for own in interface.addresses where own.address.isV4 && places.count < maximumPlaces {
            let isThere = places.contains { place in
                interface.addresses.contains {
                    $0.address == place.address && $0.prefixLength == own.prefixLength
                        && own.address.shares(prefix: own.prefixLength, with: place.address)
                }
            }
            if isThere { continue }
            places.append(
                SSDPLink(interface: interface, address: own.address, group: SSDPGroup.v4))
        }
        return places
    }

    /// Most addresses of one interface that are asked from.
    private static let maximumPlaces = 16

    /// Asks everywhere.
    /// - Returns: for each socket `nil`, or why nothing could be sent.
    static func ask(_ question: FinderTimetable.Question, by sockets: [Socket]) -> [String?] {
        sockets.filter(\.isAsker).compactMap { socket in
            switch question {
            case .ssdp(let target) where socket.origin == .ssdp:
                return send(SSDPSightings.search(target, to: socket.group).bytes, by: socket, port: 1900)
            case .mdns where socket.origin == .mdns:
                return send(MDNSSightings.query.queryBytes, by: socket, port: 5353)
            default: return nil
            }
        }
    }

    /// Asks what an answer left open, as the first question was asked.
    static func ask(_ questions: [DNSQuestion], by socket: Socket) -> String? {
        var query = DNSMessage()
        query.questions = Array(questions.prefix(32))
        return send(query.queryBytes, by: socket, port: 5353) ?? nil
    }

    /// `.some(nil)` when it was sent.
    private static func send(_ bytes: [UInt8], by socket: Socket, port: UInt16) -> String?? {
        let target = Peer(socket.group, port, on: socket.interface.index)
        if DatagramSocket.send(bytes, from: socket.descriptor, to: target) { return .some(nil) }
        return "can't send to \(socket.group) on \(socket.interface.name)"
    }
}

/// The beginning of a search, made in the caller's own time: sockets are opened and the first questions are sent before
/// anything else is got ready. Whoever takes it owns the sockets.
struct FinderOpening: Sendable {
    let interfaces: [NetworkInterface]
    let sockets: [FinderSockets.Socket]
    var inbox: FinderInbox
    var timetable: FinderTimetable

    /// Opens and asks on `interfaces`.
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
