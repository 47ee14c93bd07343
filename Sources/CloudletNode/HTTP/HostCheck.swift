import CloudletNetwork
import HTTPTypes
package import Hummingbird

/// Answers only requests whose Host is a literal address (or `localhost`): a page of a foreign site that makes its own
/// name point to this node (DNS rebinding, CVE-2021-29462) is refused. HTTP/1.1 without Host, or with several, is no
/// request (RFC 9112 §3.2); what asks for a document of another server is none for this one (RFC 9110 §7.4).
package struct HostCheck<Context: RequestContext>: RouterMiddleware {
    private let names: Set<String>

    /// A check that also accepts these names, in lower case and without port.
    package init(names: Set<String> = []) { self.names = names.union(["localhost"]) }

    /// Refuses with 400 or 421, or passes on.
    @concurrent package func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        // The first Host is the authority; a second one is left among the other fields.
        guard let host = request.head.authority, !host.isEmpty, request.headers[.host] == nil else {
            return .text("the request needs one header Host", .badRequest)
        }
        guard let authority = Authority(host), isAnswered(authority.host) else {
            return .text("this server answers to its addresses only", .misdirectedRequest)
        }
        return try await next(request, context)
    }

    private func isAnswered(_ host: Authority.Host) -> Bool {
        switch host {
        // A zone names an interface of the client's, so it says something of link-local addresses only (RFC 6874).
        case .address(let scoped): scoped.zone == nil || scoped.address.needsZone
        case .name(let name): names.contains(name.lowercased())
        }
    }
}

extension HTTPField.Name {
    /// Host, where a request has more than one.
    fileprivate static let host = named("Host")
}

extension Response {
    /// A short plain text.
    static func text(_ text: String, _ status: HTTPResponse.Status) -> Response {
        Response(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text + "\n")))
    }
}
