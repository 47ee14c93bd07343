import CloudletNetwork
import NIOCore
import NIOHTTP1

/// Converts the forms in which a request may name its server into one (RFC 9112 §3.2): the absolute form, when its
/// authority is this server, becomes the origin form with a Host; HTTP/1.0, which has no Host, gets the address that the
/// client connected to. A request to another server gets a Host that `HostCheck` refuses.
///
/// It comes before the conversion into HTTPTypes, which drops the version.
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
    /// HTTP/1.0 or before.
    fileprivate var isOld: Bool { version.major == 1 && version.minor == 0 || version.major == 0 }
}
