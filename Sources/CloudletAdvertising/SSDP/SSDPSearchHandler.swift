// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import NIOCore

/// Answers the searches that a handler has read.
protocol SSDPSearchResponder: Sendable {
    /// The group that searches are sent to.
    var group: IPAddress { get }

    /// Whether this responder may answer datagrams that a host sent to the group or to this address alone.
    func isResponsible(for source: IPAddress, isMulticast: Bool) -> Bool

    /// Answers a search; `delay` says how long each answer waits.
    func answer(_ search: SSDPSearch, to sender: Endpoint, isMulticast: Bool, delay: () -> TimeAmount)
}

/// Reads searches that arrive at one socket of an endpoint and passes them to the responder: unicast searches are
/// answered at once, multicast ones after a short random wait.
final class SSDPSearchHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let responder: any SSDPSearchResponder
    private let isMulticast: Bool

    init(responder: any SSDPSearchResponder, isMulticast: Bool) {
        self.responder = responder
        self.isMulticast = isMulticast
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        // The cheap checks come first: most received datagrams are announcements of other devices.
        guard let source = envelope.remoteAddress.address, source.isUnicast || source.isLoopback,
            let port = envelope.remoteAddress.port.flatMap(UInt16.init), port != 0,
            envelope.data.readableBytes <= SSDPMessage.maximumBytes,
            envelope.data.getInteger(at: envelope.data.readerIndex, as: UInt8.self) == UInt8(ascii: "M"),
            responder.isResponsible(for: source, isMulticast: isMulticast),
            let message = SSDPMessage(Array(envelope.data.readableBytesView)),
            let search = isMulticast
                ? SSDPSearch(multicast: message, to: responder.group) : SSDPSearch(unicast: message)
        else { return }
        responder.answer(
            search, to: Endpoint(source, port, on: envelope.remoteAddress.scope), isMulticast: isMulticast,
            delay: { Self.delay(search) })
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // ICMP errors of earlier replies come back here; the socket remains usable.
    }

    /// A device may assume a smaller MX than the given one (UDA 2.0 §1.3.3). Searches for a cloudlet are rare and few
    /// devices answer them, so the answer comes within 2 ms. Answers that every device on the LAN sends are spread over
    /// a tenth of MX.
    private static func delay(_ search: SSDPSearch) -> TimeAmount {
        guard let wait = search.maximumWait else { return .zero }
        let isBroad = search.target == "ssdp:all" || search.target == "upnp:rootdevice"
        return .microseconds(.random(in: 0...(isBroad ? Int64(wait) * 100_000 : 2000)))
    }
}
