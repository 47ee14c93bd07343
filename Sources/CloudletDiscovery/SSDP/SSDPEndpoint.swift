import CloudletCore
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// One address of one interface from which the node speaks SSDP, with the multicast group that fits it. It answers
/// searches by itself; announcements are sent when it is told to.
///
/// Both sockets live on one event loop: `heard` takes what is sent to the group, `own` what is sent to the address, and
/// everything goes out of `own`, whose port is 1900 wherever possible.
final class SSDPEndpoint: Sendable {
    /// Where an endpoint is.
    struct Place: Hashable, Sendable {
        let interface: NetworkInterface
        let address: IPAddress
        let group: IPAddress

        /// A place stays the same while the interface gets or loses other addresses.
        static func == (left: Self, right: Self) -> Bool {
            left.interface.index == right.interface.index && left.interface.name == right.interface.name
                && left.address == right.address && left.group == right.group
        }

        /// Hashes what is compared.
        func hash(into hasher: inout Hasher) {
            hasher.combine(interface.index)
            hasher.combine(address)
            hasher.combine(group)
        }
    }

    /// The groups of SSDP: 239.255.255.250, ff02::c, ff05::c.
    static let groupV4 = IPAddress.v4(0xEFFF_FFFA)
    static let groupLinkLocal = IPAddress.v6(high: 0xFF02_0000_0000_0000, low: 0xC)
    static let groupSiteLocal = IPAddress.v6(high: 0xFF05_0000_0000_0000, low: 0xC)

    let place: Place
    /// The port unicast searches are heard on.
    let port: UInt16

    private let own: any Channel
    let heard: any Channel
    private let sender: SSDPSender
    private let state: Mutex<State>

    private struct State {
        var announcement: SSDPAnnouncement
        var interface: NetworkInterface
        var isClosing = false
        var isBroken = false
    }

    /// Opens the sockets and begins to answer searches.
    /// `onLoss` is called when a socket closes by itself: the endpoint is broken then and of no more use.
    init(
        _ place: Place, on loop: any EventLoop, announcing announcement: SSDPAnnouncement, budget: SharedReplyBudget,
        onLoss: @escaping @Sendable () -> Void = {}
    ) async throws {
        let (descriptor, port) = try Self.openSender(place)
        do {
            sender = try SSDPSender(of: descriptor)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        self.place = place
        self.port = port
        var announcement = announcement
        announcement.searchPort = port == 1900 ? nil : port
        state = Mutex(State(announcement: announcement, interface: place.interface))
        own = try await Self.adopt(descriptor, on: loop)
        do {
            heard = try await Self.adopt(
                try DatagramSocket.receiver(of: place.group, port: 1900, on: place.interface), on: loop)
        } catch {
            try? await own.close()
            throw error
        }
        for (channel, isMulticast) in [(own, false), (heard, true)] {
            let handler = SSDPSearchHandler(endpoint: self, replies: sender, isMulticast: isMulticast, budget: budget)
            try await channel.eventLoop.submit { try channel.pipeline.syncOperations.addHandler(handler) }.get()
            channel.closeFuture.whenComplete { [weak self] _ in
                if self?.noteLoss() == true { onLoss() }
            }
        }
    }

    /// The places for SSDP on an interface: its first IPv4 address, its link-local IPv6 address, and its first other
    /// IPv6 address (UDA 2.0 Annex A). On loopback IPv4 only: it has no IPv6 multicast.
    static func places(on interface: NetworkInterface) -> [Place] {
        func first(_ condition: (IPAddress) -> Bool) -> IPAddress? {
            interface.addresses.first { condition($0.address) }?.address
        }
        var result: [Place] = []
        if let address = first(\.isV4) { result.append(Place(interface: interface, address: address, group: groupV4)) }
        guard !interface.isLoopback else { return result }
        if let address = first({ !$0.isV4 && $0.isLinkLocal }) {
            result.append(Place(interface: interface, address: address, group: groupLinkLocal))
        }
        if let address = first({ !$0.isV4 && !$0.isLinkLocal && !$0.isLoopback }) {
            result.append(Place(interface: interface, address: address, group: groupSiteLocal))
        }
        return result
    }

    /// Port 1900; where another program keeps it for itself, a random dynamic one, announced as SEARCHPORT.UPNP.ORG.
    private static func openSender(_ place: Place) throws(CloudletError) -> (Int32, UInt16) {
        do {
            let socket = try DatagramSocket.sender(from: place.address, port: 1900, on: place.interface, hops: 2)
            return (socket, 1900)
        } catch {
            guard error.code == .busy else { throw error }
            for _ in 0..<8 {
                let port = UInt16.random(in: 61000...65535)
                if let socket = try? DatagramSocket.sender(
                    from: place.address, port: port, on: place.interface, hops: 2)
                {
                    return (socket, port)
                }
            }
            throw error
        }
    }

    private static func adopt(_ descriptor: Int32, on loop: any EventLoop) async throws -> any Channel {
        do {
            // The usual 2,048 bytes would cut off a search with a long header, which is none then.
            return try await DatagramBootstrap(group: loop)
                .channelOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: SSDPMessage.maximumBytes + 1))
                .withBoundSocket(descriptor).get()
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    /// What is announced now.
    var current: SSDPAnnouncement { state.withLock { $0.announcement } }

    /// Whether a sender is one host on this link or on this machine: nobody else is answered (UDA 2.0 §1.3.2).
    func isNear(_ source: IPAddress) -> Bool {
        source.isLoopback || state.withLock { $0.interface.isOnLink(source) && !$0.interface.isBroadcast(source) }
    }

    /// Takes over what has changed of the interface: its other addresses.
    func follow(_ interface: NetworkInterface) { state.withLock { $0.interface = interface } }

    /// Changes what searches are answered with.
    func set(_ changed: SSDPAnnouncement) {
        var changed = changed
        changed.searchPort = port == 1900 ? nil : port
        state.withLock { $0.announcement = changed }
    }

    /// Whether a socket was lost.
    var isBroken: Bool { state.withLock { $0.isBroken } }

    /// Takes note of a socket that closed; `true` when nobody wanted that.
    private func noteLoss() -> Bool {
        state.withLock { state in
            state.isBroken = !state.isClosing
            return state.isBroken
        }
    }

    /// Sends one set of notifications to the group.
    func notify(_ kind: SSDPAnnouncement.Kind, nextBootID: Int32? = nil) {
        let target = Peer(place.group, 1900, on: place.interface.index)
        for message in current.notifications(kind, to: place.group, nextBootID: nextBootID) {
            sender.send(message, to: target)
        }
    }

    /// Closes the sockets.
    func close() async {
        state.withLock { $0.isClosing = true }
        sender.close()
        try? await own.close()
        try? await heard.close()
    }
}

/// The reply budget that all endpoints of a node share.
final class SharedReplyBudget: Sendable {
    private let budget = Mutex(ReplyBudget())

    /// Takes `count` answers to `source` off the budget; `false` when they may not be sent.
    func allow(_ count: Int, to source: IPAddress) -> Bool { budget.withLock { $0.allow(count, to: source) } }
}
