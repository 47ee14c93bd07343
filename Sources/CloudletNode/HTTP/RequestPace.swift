// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import HTTPTypes
package import Hummingbird

/// Limits the rate at which the requests of each client address are answered. Further requests wait, and with them
/// their connections; a request that would wait long is refused. Health probes (`/health`, `/ready`) have a rate of
/// their own.
package struct RequestPace: RouterMiddleware {
    /// The context that the limit reads.
    package typealias Context = NodeRequestContext

    private let requests: RateLimit
    private let probes: RateLimit
    private static let longest = Duration.seconds(1)

    /// Creates a limit of `perSecond` requests a second in the long run and `burst` requests at once.
    package init(perSecond: Double = 64, burst: Int = 256) {
        requests = RateLimit(perSecond: perSecond, burst: burst)
        probes = RateLimit(perSecond: perSecond, burst: burst)
    }

    /// Passes the request on when its turn comes, or refuses it with 429 (RFC 6585 §4).
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
