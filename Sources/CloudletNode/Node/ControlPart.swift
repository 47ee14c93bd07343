import CloudletControl
import CloudletSession

/// What programs of the same user may ask the node.
struct ControlPart: NodePart {
    private let server: ControlServer

    /// Each part that answers requests adds them here.
    init(_ context: NodeContext, sessions: SessionPart) {
        var routes = ControlRoutes()
        SessionControl(journal: sessions.journal, table: sessions.server.table, logger: context.logger).add(to: &routes)
        server = ControlServer(home: context.home, routes: routes, logger: context.logger)
    }

    var services: [NodeService] { [NodeService("control socket", server)] }
}
