// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletControl
import CloudletSession

/// Answers requests that programs of the same user send to the node.
struct ControlPart: NodePart {
    private let server: ControlServer

    /// Creates the server. Each part that answers requests adds its handlers here.
    init(_ context: NodeContext, sessions: SessionPart) {
        var routes = ControlRoutes()
        SessionControl(
            journal: sessions.journal, table: sessions.server.table, unended: sessions.server.unended,
            logger: context.logger
        ).add(to: &routes)
        server = ControlServer(home: context.home, routes: routes, logger: context.logger)
    }

    var services: [NodeService] { [NodeService("control socket", server)] }
}
