import HTTPTypes
package import Hummingbird
import Synchronization

/// The routes of the node, and what holds for all of them: HEAD works wherever GET does (RFC 9110 §9.1), a method that
/// a path does not have is answered with those that it has (§15.5.6), and `RequestPace` and `HostCheck` come first.
package struct NodeRouter {
    /// What answers a request.
    package typealias Handler = @Sendable (Request, NodeRequestContext) async throws -> Response

    private let router = Router(context: NodeRequestContext.self, options: .autoGenerateHeadEndpoints)
    private let table = MethodTable()

    /// A router without routes.
    package init() { self.init(pace: RequestPace()) }

    /// A router whose clients may ask as often as `pace` says.
    init(pace: RequestPace) {
        router.add(middleware: pace)
        router.add(middleware: HostCheck())
        router.add(middleware: MethodCheck(table: table))
    }

    /// Adds a route; what `check` refuses does not get there.
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

    /// Adds a route for GET, and HEAD.
    package func get(_ path: String, through check: LinkCheck? = nil, use handler: @escaping Handler) {
        on(path, .get, through: check, use: handler)
    }

    /// What answers by these routes.
    package func buildResponder() -> RouterResponder<NodeRequestContext> { router.buildResponder() }
}

/// Which methods each path has.
private final class MethodTable: Sendable {
    private let methods = Mutex<[String: [HTTPRequest.Method]]>([:])

    func add(_ method: HTTPRequest.Method, to path: String) {
        methods.withLock { $0[path, default: []] += method == .get ? [.get, .head] : [method] }
    }

    /// `nil` for an unknown path.
    func methods(of path: String) -> [HTTPRequest.Method]? { methods.withLock { $0[path] } }
}

/// Answers methods that a path does not have with 405.
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
        var response = Response.text("this path has only the methods \(allowed)", .methodNotAllowed)
        response.headers[.allow] = allowed
        return response
    }
}
