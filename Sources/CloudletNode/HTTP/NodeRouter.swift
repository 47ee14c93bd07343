public import Hummingbird

extension Router where Context == NodeRequestContext {
    /// A router with what holds for all routes of the node: HEAD is understood wherever GET is (RFC 9110 §9.1), and
    /// `HostCheck` stands in front.
    public static func forNode() -> Router {
        let router = Router(context: NodeRequestContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: HostCheck())
        return router
    }
}
