import CloudletNetwork
import NIOCore
import NIOHTTP1

/// Brings the forms in which a request may name its server into one (RFC 9112 §3.2): the absolute form, when its
/// authority is this server, becomes the origin form with a Host; HTTP/1.0, which knows no Host, gets the address that
/// was connected to. What names another server gets a Host that `HostCheck` refuses.
///
/// It stands in front of the conversion into HTTPTypes, which keeps no version.
final class RequestTargetHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        let own = context.localAddress?.address
        let hosts = head.headers["Host"].count
        if let target = Self.absolute(head.uri), hosts == 1 || hosts == 0 && head.isOld {
            let address = HostAddress(target.authority)
            let isOwn = address?.literal.map { $0 == own } ?? (address?.name.lowercased() == "localhost")
            head.uri = target.path
            head.headers.replaceOrAdd(name: "Host", value: isOwn ? target.authority : Self.another)
        } else if hosts == 0, head.isOld, let own {
            head.headers.add(name: "Host", value: own.urlHost)
        }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    /// A name that is none of this server's, and nobody's (RFC 2606 §2).
    private static let another = "another.invalid"

    /// The parts of `SCHEME://AUTHORITY/PATH`; of another scheme than http the authority is left out, as it is none of
    /// ours. `nil` for another form.
    static func absolute(_ uri: String) -> (authority: String, path: String)? {
        guard uri.first != "/", let mark = uri.firstRange(of: "://") else { return nil }
        let rest = uri[mark.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let path = rest.dropFirst(authority.count)
        let isHTTP = uri[..<mark.lowerBound].lowercased() == "http"
        return (isHTTP ? String(authority) : "", path.hasPrefix("/") ? String(path) : "/" + path)
    }
}

extension HTTPRequestHead {
    /// HTTP/1.0 or before.
    fileprivate var isOld: Bool { version.major == 1 && version.minor == 0 || version.major == 0 }
}
