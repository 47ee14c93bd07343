// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork
import NIOCore
import NIOHTTP1

/// Converts all forms in which a request may name its server into one (RFC 9112 §3.2). The absolute form becomes the
/// origin form with a Host if its authority is this server. An HTTP/1.0 request, which has no Host, gets the address
/// that the client connected to. A request to another server gets a Host that `HostCheck` refuses.
///
/// The handler runs before the conversion into HTTPTypes, which loses the HTTP version.
final class RequestTargetHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        let own = context.localAddress?.address
        let hosts = head.headers["Host"].count
        if let target = AbsoluteURL(head.uri), hosts == 1 || hosts == 0 && head.isOld {
            let isOwn = target.scheme == "http" && Self.isOwn(target.authority, own)
            head.uri = target.path
            head.headers.replaceOrAdd(name: "Host", value: isOwn ? target.authority : Self.another)
        } else if hosts == 0, head.isOld, let own {
            head.headers.add(name: "Host", value: own.urlHost)
        }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    /// A name that no server has (RFC 2606 §2).
    private static let another = "another.invalid"

    private static func isOwn(_ authority: String, _ own: IPAddress?) -> Bool {
        switch Authority(authority)?.host {
        case .address(let scoped): scoped.address == own
        case .name(let name): name.lowercased() == "localhost"
        case nil: false
        }
    }
}

extension HTTPRequestHead {
    /// Whether the version is HTTP/1.0 or earlier.
    fileprivate var isOld: Bool { version.major == 1 && version.minor == 0 || version.major == 0 }
}
