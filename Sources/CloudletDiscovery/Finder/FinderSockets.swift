import CloudletCore
import NIOCore
import NIOPosix
import Synchronization

/// The sockets of a search: for each interface and address family one that asks by SSDP and one that asks by mDNS, and
/// while watching one each that listens to announcements. What comes in leaves as sightings, bounded by source.
final class FinderSockets: Sendable {
    /// The mDNS group of an address's family: 224.0.0.251 or ff02::fb.
    static func mdnsGroup(for address: IPAddress) -> IPAddress {
        address.isV4 ? .v4(0xE000_00FB) : .v6(high: 0xFF02_0000_0000_0000, low: 0xFB)
    }

    /// An open socket that asks.
    struct Asker: Sendable {
        let channel: any Channel
        let group: IPAddress
        let interface: NetworkInterface
    }

    let inbox: FinderInbox
    private let askers = Mutex<(ssdp: [Asker], mdns: [Asker])>(([], []))
    private let open = Mutex<[any Channel]>([])
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    init(inbox: FinderInbox) { self.inbox = inbox }

    /// Opens what the options ask for on one interface. What can't be opened is noted, not fatal.
    func open(on interface: NetworkInterface, protocols: Set<DiscoveryOrigin>, listening: Bool) async {
        for place in SSDPEndpoint.places(on: interface) {
            if protocols.contains(.ssdp) {
                await add(.ssdp, place.address, place.group, interface)
                if listening { await listen(.ssdp, place.group, 1900, interface) }
            }
            guard protocols.contains(.mdns), place.group != SSDPEndpoint.groupSiteLocal else { continue }
            let group = Self.mdnsGroup(for: place.address)
            await add(.mdns, place.address, group, interface)
            if listening { await listen(.mdns, group, 5353, interface) }
        }
    }

    private func add(
        _ origin: DiscoveryOrigin, _ address: IPAddress, _ group: IPAddress, _ interface: NetworkInterface
    ) async {
        do {
            // One-shot queries come from any port and live on the link (RFC 6762 §5.1); SSDP crosses one router (UDA
            // 2.0 §1.3.2).
            let socket = try DatagramSocket.sender(
                from: address, port: 0, on: interface, hops: origin == .mdns ? 255 : 2)
            let asker = Asker(channel: try await adopt(socket, origin, interface), group: group, interface: interface)
            askers.withLock { if origin == .mdns { $0.mdns.append(asker) } else { $0.ssdp.append(asker) } }
        } catch {
            inbox.note(failure: "\(error)")
        }
    }

    private func listen(_ origin: DiscoveryOrigin, _ group: IPAddress, _ port: UInt16, _ interface: NetworkInterface)
        async
    {
        do {
            let socket = try DatagramSocket.receiver(of: group, port: port, on: interface)
            _ = try await adopt(socket, origin, interface)
        } catch {
            inbox.note(failure: "\(error)")
        }
    }

    private func adopt(
        _ socket: Int32, _ origin: DiscoveryOrigin, _ interface: NetworkInterface
    ) async throws -> any Channel {
        // A hundred nodes answer at once; the usual buffer holds half of it.
        DatagramSocket.enlargeReceiveBuffer(socket, to: 4 << 20)
        let handler = FinderHandler(origin: origin, interface: interface, inbox: inbox)
        let channel = try await DatagramBootstrap(group: loop)
            .channelOption(.maxMessagesPerRead, value: 64)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler) }
            }
            .withBoundSocket(socket).get()
        open.withLock { $0.append(channel) }
        return channel
    }

    /// Sends a search by SSDP everywhere.
    func searchSSDP(_ target: String) async {
        for asker in askers.withLock({ $0.ssdp }) {
            await send(SSDPSightings.search(target, to: asker.group).bytes, by: asker, port: 1900)
        }
    }

    /// Sends a query by mDNS everywhere.
    func queryMDNS(_ message: DNSMessage) async {
        for asker in askers.withLock({ $0.mdns }) { await send(message.queryBytes, by: asker, port: 5353) }
    }

    private func send(_ bytes: [UInt8], by asker: Asker, port: UInt16) async {
        let target = SocketAddress(asker.group, port: port, interface: asker.interface.index)
        do {
            try await asker.channel.writeAndFlush(
                AddressedEnvelope(remoteAddress: target, data: asker.channel.allocator.buffer(bytes: bytes)))
            inbox.noteSent()
        } catch {
            inbox.note(failure: "can't send to \(asker.group) on \(asker.interface.name): \(error)")
        }
    }

    /// Closes everything.
    func close() async {
        for channel in open.withLock({ $0 }) { try? await channel.close() }
    }
}

/// Reads what arrives at one socket.
private final class FinderHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let origin: DiscoveryOrigin
    private let interface: NetworkInterface
    private let inbox: FinderInbox

    init(origin: DiscoveryOrigin, interface: NetworkInterface, inbox: FinderInbox) {
        self.origin = origin
        self.interface = interface
        self.inbox = inbox
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let source = envelope.remoteAddress.address, envelope.data.readableBytes <= 9000,
            source.isLoopback || interface.isOnLink(source)
        else { return }
        let bytes = Array(envelope.data.readableBytesView)
        switch origin {
        case .ssdp:
            if let message = SSDPMessage(bytes) { inbox.take(message, from: source, on: interface) }
        default:
            guard let message = try? DNSMessage(bytes) else { return }
            let questions = inbox.take(message, from: source, on: interface)
            guard !questions.isEmpty, context.channel.localAddress?.port != 5353 else { return }
            // What the answer left open is asked as the first question was.
            var query = DNSMessage()
            query.questions = Array(questions.prefix(32))
            let reply = AddressedEnvelope(
                remoteAddress: SocketAddress(
                    FinderSockets.mdnsGroup(for: source), port: 5353, interface: interface.index),
                data: context.channel.allocator.buffer(bytes: query.queryBytes))
            context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // ICMP errors of earlier packets; the socket is as good as before.
    }
}
