import CloudletDiscovery
import HTTPTypes
public import Hummingbird

/// Answers only requests whose Host is a literal address (or `localhost`): a page of a foreign site that makes its own
/// name point to this node (DNS rebinding, CVE-2021-29462) is refused. HTTP/1.1 without Host is no request (RFC 9112
/// §3.2).
public struct HostCheck<Context: RequestContext>: RouterMiddleware {
    private let names: Set<String>

    /// A check that also accepts these names, in lower case and without port.
    public init(names: Set<String> = []) { self.names = names.union(["localhost"]) }

    /// Refuses with 400 or 421, or passes on.
    @concurrent public func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let host = request.head.authority, !host.isEmpty else {
            return .text("the header Host is missing", .badRequest)
        }
        guard HostAddress.isLiteral(host) || names.contains(HostAddress.name(host).lowercased()) else {
            return .text("this server answers to its addresses only", .misdirectedRequest)
        }
        return try await next(request, context)
    }
}

/// The host part of a Host header.
enum HostAddress {
    /// The host without port.
    static func name(_ host: String) -> String {
        if host.first == "[" { return String(host.prefix { $0 != "]" }.dropFirst()) }
        return String(host.prefix { $0 != ":" })
    }

    /// Whether the host is an IPv4 or IPv6 address; a zone is allowed.
    static func isLiteral(_ host: String) -> Bool {
        let address = String(name(host).prefix { $0 != "%" })
        return IPAddress(address) != nil
    }
}

extension Response {
    /// A short plain text.
    static func text(_ text: String, _ status: HTTPResponse.Status) -> Response {
        Response(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text + "\n")))
    }
}
