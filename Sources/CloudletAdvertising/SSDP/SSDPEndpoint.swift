// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// One address of one interface from which the node speaks SSDP, with the multicast group that belongs to it. It
/// answers searches by itself; `notify` sends announcements.
///
/// `heard` receives datagrams to the group, `own` datagrams to the address; both use one event loop. All datagrams
/// leave from port 1900 of the address where possible: announcements from a separate socket, so that traffic caused by
/// others can't displace them; answers from `own`; and answers to hosts that may not exist from a third socket
/// (`SSDPReplies`).
final class SSDPEndpoint: Sendable {
    let link: SSDPLink
    /// The port on which unicast searches are received.
    let port: UInt16

    private let own: any Channel
    let heard: any Channel
    private let announcer: SSDPSender
    let replies: SSDPReplies
    private let state: Mutex<State>

    private struct State {
        var announcement: SSDPAnnouncement
        var interface: NetworkInterface
        var siblings: [InterfaceAddress]
        var isClosing = false
        var isBroken = false
    }

    /// Opens the sockets and begins to answer searches. `onLoss` is called when a socket closes by itself: the endpoint
    /// is then broken and can't be used any more.
    init(
        _ link: SSDPLink, on loop: any EventLoop, announcing announcement: SSDPAnnouncement, desk: ReplyDesk,
        onLoss: @escaping @Sendable () -> Void = {}
    ) async throws {
        let sockets = try Self.openSockets(link)
        do {
            replies = SSDPReplies(
                through: try SSDPSender(copying: sockets.own), strangersThrough: sockets.strangers, desk: desk, on: loop
            )
        } catch {
            Glibc.close(sockets.own)
            throw error
        }
        announcer = sockets.announcer
        let port = sockets.port
        self.link = link
        self.port = port
        var announcement = announcement
        announcement.searchPort = port == 1900 ? nil : port
        state = Mutex(
            State(
                announcement: announcement, interface: link.interface,
                siblings: Self.siblings(of: link, on: link.interface)))
        own = try await Self.adopt(sockets.own, on: loop)
        do {
            heard = try await Self.adopt(
                try DatagramSocket.receiver(of: link.group, port: 1900, on: link.interface), on: loop)
        } catch {
            try? await own.close()
            throw error
        }
        for (channel, isMulticast) in [(own, false), (heard, true)] {
            let handler = SSDPSearchHandler(responder: self, isMulticast: isMulticast)
            try await channel.eventLoop.submit { try channel.pipeline.syncOperations.addHandler(handler) }.get()
            channel.closeFuture.whenComplete { [weak self] _ in
                if self?.noteLoss() == true { onLoss() }
            }
        }
    }

    private struct Sockets {
        let own: Int32
        let announcer: SSDPSender
        let strangers: SSDPSender
        let port: UInt16
    }

    /// Opens the sockets at port 1900 or, where another program does not share it, at a random dynamic port, which is
    /// announced as SEARCHPORT.UPNP.ORG.
    private static func openSockets(_ link: SSDPLink) throws(CloudletError) -> Sockets {
        do {
            return try openSockets(link, port: 1900)
        } catch {
            guard error.code == .busy else { throw error }
            for _ in 0..<8 {
                if let sockets = try? openSockets(link, port: .random(in: 61000...65535)) { return sockets }
            }
            throw error
        }
    }

    /// Opens `own` last: before it is open, no datagram can be addressed to this node.
    private static func openSockets(_ link: SSDPLink, port: UInt16) throws(CloudletError) -> Sockets {
        func speaker() throws(CloudletError) -> Int32 {
            try DatagramSocket.speaker(from: link.address, port: port, on: link.interface, hops: 2)
        }
        let announcer = SSDPSender(adopting: try speaker())
        let strangers = try speaker()
        // Each small packet that waits takes 1,280 bytes of the buffer.
        DatagramSocket.enlargeSendBuffer(strangers, to: 1 << 20)
        let strangersSender = SSDPSender(adopting: strangers)
        let own = try DatagramSocket.sender(from: link.address, port: port, on: link.interface, hops: 2)
        return Sockets(own: own, announcer: announcer, strangers: strangersSender, port: port)
    }

    private static func adopt(_ descriptor: Int32, on loop: any EventLoop) async throws -> any Channel {
        do {
            // The usual 2,048 bytes would truncate a search with a long header and so make it invalid.
            return try await DatagramBootstrap(group: loop)
                .channelOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: SSDPMessage.maximumBytes + 1)
                )
                .withBoundSocket(descriptor).get()
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    /// The current announcement.
    var current: SSDPAnnouncement { state.withLock { $0.announcement } }

    /// Whether the source is a unicast address on this link or on this machine: the node answers no others (UDA 2.0
    /// §1.3.2).
    func isNear(_ source: IPAddress) -> Bool {
        source.isLoopback || state.withLock { $0.interface.isOnLink(source) && !$0.interface.isBroadcast(source) }
    }

    /// Whether this endpoint has to answer a datagram that `source` sent to the group. All endpoints of the link
    /// receive it; the one whose address is nearest to the source answers, and the first one answers hosts outside of
    /// all prefixes.
    func speaks(to source: IPAddress) -> Bool {
        func nearness(_ entry: InterfaceAddress) -> Int {
            entry.address.shares(prefix: entry.prefixLength, with: source) ? entry.prefixLength : -1
        }
        let siblings = state.withLock(\.siblings)
        guard let nearest = siblings.map(nearness).max() else { return true }
        return siblings.first { nearness($0) == nearest }?.address == link.address
    }

    /// The addresses of the endpoints on an interface that receive from the same group.
    private static func siblings(of link: SSDPLink, on interface: NetworkInterface) -> [InterfaceAddress] {
        SSDPLink.all(on: interface).filter { $0.group == link.group }.compactMap { sibling in
            interface.addresses.first { $0.address == sibling.address }
        }
    }

    /// Whether packets to a host of the link leave at once, without its hardware address: on this machine, and on links
    /// that lead to one host only.
    func isDirect(_ source: IPAddress) -> Bool {
        source.isLoopback
            || state.withLock { state in
                state.interface.isPointToPoint || state.interface.addresses.contains { $0.address == source }
            }
    }

    /// Adopts changes of the interface's other addresses.
    func follow(_ interface: NetworkInterface) {
        let siblings = Self.siblings(of: link, on: interface)
        state.withLock { ($0.interface, $0.siblings) = (interface, siblings) }
    }

    /// Whether another endpoint reaches the same hosts: by the same group, on the same link.
    func isSibling(of other: SSDPEndpoint) -> Bool {
        other !== self && link.group == other.link.group && link.interface.index == other.link.interface.index
    }

    /// Changes the announcement that answers to searches are made from.
    func set(_ changed: SSDPAnnouncement) {
        var changed = changed
        changed.searchPort = port == 1900 ? nil : port
        state.withLock { $0.announcement = changed }
    }

    /// Whether a socket was lost.
    var isBroken: Bool { state.withLock { $0.isBroken } }

    /// Records that a socket closed; returns `true` when this program did not close it.
    private func noteLoss() -> Bool {
        state.withLock { state in
            state.isBroken = !state.isClosing
            return state.isBroken
        }
    }

    /// Sends one set of notifications to the group.
    func notify(_ kind: SSDPAnnouncement.Kind, nextBootID: Int32? = nil) {
        let target = Endpoint(link.group, 1900, on: link.interface.index)
        for message in current.notifications(kind, to: link.group, nextBootID: nextBootID) {
            announcer.send(message, to: target)
        }
    }

    /// Closes the sockets.
    func close() async {
        state.withLock { $0.isClosing = true }
        announcer.close()
        replies.close()
        try? await own.close()
        try? await heard.close()
    }
}

extension SSDPEndpoint: SSDPSearchResponder {
    var group: IPAddress { link.group }

    func isResponsible(for source: IPAddress, isMulticast: Bool) -> Bool {
        isNear(source) && (!isMulticast || speaks(to: source))
    }

    func answer(_ search: SSDPSearch, to sender: Endpoint, isMulticast: Bool, delay: () -> TimeAmount) {
        replies.send(
            current.answers(to: search), to: sender,
            at: Neighbour(address: sender.address, interface: link.interface.index),
            isDirect: isDirect(sender.address), isMulticast: isMulticast, delay: delay)
    }
}
