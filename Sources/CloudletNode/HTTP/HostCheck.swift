// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork
import HTTPTypes
package import Hummingbird

/// Answers only requests whose Host is a literal address or `localhost`. This refuses a page of a foreign site that
/// makes its own name point to this node (DNS rebinding, CVE-2021-29462). An HTTP/1.1 request without Host, or with
/// several, is not valid (RFC 9112 §3.2), and a request for a document of another server is misdirected (RFC 9110
/// §7.4).
package struct HostCheck<Context: RequestContext>: RouterMiddleware {
    private let names: Set<String>

    /// Creates a check that also accepts these names, given in lower case and without port.
    package init(names: Set<String> = []) { self.names = names.union(["localhost"]) }

    /// Refuses the request with 400 or 421, or passes it on.
    @concurrent package func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        // The parsed request has the first Host as its authority, and any further ones among the header fields.
        guard let host = request.head.authority, !host.isEmpty, request.headers[.host] == nil else {
            return .text("the request needs one header Host", .badRequest)
        }
        guard let authority = Authority(host), isAnswered(authority.host) else {
            return .text("this server answers only requests that name one of its addresses", .misdirectedRequest)
        }
        return try await next(request, context)
    }

    private func isAnswered(_ host: Authority.Host) -> Bool {
        switch host {
        // A zone names an interface of the client, so it is meaningful for link-local addresses only (RFC 6874).
        case .address(let scoped): scoped.zone == nil || scoped.address.needsZone
        case .name(let name): names.contains(name.lowercased())
        }
    }
}

extension HTTPField.Name {
    /// The Host field, which remains if a request has more than one.
    fileprivate static let host = named("Host")
}

extension Response {
    /// Creates a response with a short plain text.
    static func text(_ text: String, _ status: HTTPResponse.Status) -> Response {
        Response(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text + "\n")))
    }
}
