// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
package import Hummingbird
import Synchronization

/// The routes of the node, and what applies to all of them: HEAD works wherever GET does (RFC 9110 §9.1), a request
/// with a method that its path does not support is answered with the supported ones (§15.5.6), and `RequestPace` and
/// `HostCheck` come first.
package struct NodeRouter {
    /// A function that answers a request.
    package typealias Handler = @Sendable (Request, NodeRequestContext) async throws -> Response

    private let router = Router(context: NodeRequestContext.self, options: .autoGenerateHeadEndpoints)
    private let table = MethodTable()

    /// Creates a router without routes.
    package init() { self.init(pace: RequestPace()) }

    /// Creates a router that limits the rate of requests with `pace`.
    init(pace: RequestPace) {
        router.add(middleware: pace)
        router.add(middleware: HostCheck())
        router.add(middleware: MethodCheck(table: table))
    }

    /// Adds a route. Requests that `check` refuses don't reach it.
    package func on(
        _ path: String, _ method: HTTPRequest.Method, through check: LinkCheck? = nil, use handler: @escaping Handler
    ) {
        table.add(method, to: path)
        if let check {
            router.group().add(middleware: check).on(RouterPath(path), method: method, use: handler)
        } else {
            router.on(RouterPath(path), method: method, use: handler)
        }
    }

    /// Adds a route for GET and HEAD.
    package func get(_ path: String, through check: LinkCheck? = nil, use handler: @escaping Handler) {
        on(path, .get, through: check, use: handler)
    }

    /// Creates the responder that answers requests with these routes.
    package func buildResponder() -> RouterResponder<NodeRequestContext> { router.buildResponder() }
}

/// The methods of each path.
private final class MethodTable: Sendable {
    private let methods = Mutex<[String: [HTTPRequest.Method]]>([:])

    func add(_ method: HTTPRequest.Method, to path: String) {
        methods.withLock { $0[path, default: []] += method == .get ? [.get, .head] : [method] }
    }

    /// The methods of a path; `nil` if the path is unknown.
    func methods(of path: String) -> [HTTPRequest.Method]? { methods.withLock { $0[path] } }
}

/// Answers 405 to a method that a path does not support.
private struct MethodCheck: RouterMiddleware {
    typealias Context = NodeRequestContext

    let table: MethodTable

    @concurrent func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let methods = table.methods(of: request.uri.path), !methods.contains(request.method) else {
            return try await next(request, context)
        }
        let allowed = methods.map(\.rawValue).joined(separator: ", ")
        var response = Response.text("this path accepts only the methods \(allowed)", .methodNotAllowed)
        response.headers[.allow] = allowed
        return response
    }
}
