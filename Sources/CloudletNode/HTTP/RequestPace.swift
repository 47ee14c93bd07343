import CloudletSystem
import HTTPTypes
package import Hummingbird

/// Bounds the requests of each client address that are answered per second. Further ones wait, and their connection with
/// them; they are refused where they would wait long. Health probes (`/health`, `/ready`) have a rate of their own.
package struct RequestPace: RouterMiddleware {
    /// What it looks at.
    package typealias Context = NodeRequestContext

    private let requests: RateLimit
    private let probes: RateLimit
    private static let longest = Duration.seconds(1)

    /// So many requests a second in the long run, and at once.
    package init(perSecond: Double = 64, burst: Int = 256) {
        requests = RateLimit(perSecond: perSecond, burst: burst)
        probes = RateLimit(perSecond: perSecond, burst: burst)
    }

    /// Passes on in time, or refuses with 429 (RFC 6585 §4).
    @concurrent package func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        let rate = ["/health", "/ready"].contains(request.uri.path) ? probes : requests
        guard let wait = rate.take(for: context.remoteAddress?.ipAddress ?? "", waitingAtMost: Self.longest) else {
            var response = Response.text("too many requests from your address", .tooManyRequests)
            response.headers[.retryAfter] = "1"
            return response
        }
        if wait > .zero { try await Task.sleep(for: wait) }
        return try await next(request, context)
    }
}
