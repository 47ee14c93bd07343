// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletNetwork
package import CloudletSystem
import HTTPTypes
package import Hummingbird

/// Answers only hosts on the links of this machine, because UPnP is a protocol of the LAN, and control and events are
/// for its hosts only (UDA 2.0 §4.1.1). The status document and the page don't need this check: a client that can reach
/// the synthesis port may see them, as `cloudlet-find --host` does from beyond a router.
package struct LinkCheck: RouterMiddleware {
    /// The context that the check reads.
    package typealias Context = NodeRequestContext

    private let interfaces: CurrentValue<[NetworkInterface]>

    /// Creates a check against the addresses that the interfaces have at the time of each request.
    package init(interfaces: CurrentValue<[NetworkInterface]>) { self.interfaces = interfaces }

    /// Refuses the request with 403, or passes it on.
    @concurrent package func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let source = context.remoteAddress?.address,
            source.isLoopback || interfaces.value.contains(where: { $0.isOnLink(source) })
        else { return .text("UPnP is for hosts of this network only", .forbidden) }
        return try await next(request, context)
    }
}
