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
        guard let address = HostAddress(host),
            address.literal != nil || names.contains(address.name.lowercased())
        else { return .text("this server answers to its addresses only", .misdirectedRequest) }
        return try await next(request, context)
    }
}

/// The host of a Host header or of a URL (RFC 3986 §3.2): an IPv6 address in brackets, an IPv4 address or a name; a port may
/// follow. Nothing else may.
struct HostAddress: Hashable, Sendable {
    /// The host without brackets and port.
    let name: String
    /// The address, where the host is one.
    let literal: IPAddress?

    /// `nil` for what has another form.
    init?(_ text: String) {
        let rest: Substring
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let inside = text[..<end].dropFirst()
            guard let address = IPAddress(String(inside.prefix { $0 != "%" })), !address.isV4 else { return nil }
            // A zone names an interface of the client's, so it says something of link-local addresses only (RFC 6874).
            if let zone = inside.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false).dropFirst().first
            {
                guard address.isLinkLocal, !zone.isEmpty, zone.utf8.allSatisfy(Self.isPlain) else { return nil }
            }
            (name, literal) = (String(inside), address)
            rest = text[end...].dropFirst()
        } else {
            name = String(text.prefix { $0 != ":" })
            guard !name.isEmpty, name.utf8.allSatisfy(Self.isPlain) else { return nil }
            literal = IPAddress(name)
            rest = text.dropFirst(name.count)
        }
        guard
            rest.isEmpty || rest.first == ":" && rest.utf8.count <= 6 && rest.utf8.dropFirst().allSatisfy(Self.isDigit)
        else { return nil }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { 0x30...0x39 ~= byte }

    /// Letters, digits, `-`, `.`, `_`, `~`.
    private static func isPlain(_ byte: UInt8) -> Bool {
        isDigit(byte) || 0x41...0x5A ~= byte & 0xDF || [0x2D, 0x2E, 0x5F, 0x7E].contains(byte)
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
