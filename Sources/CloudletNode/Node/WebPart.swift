// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletAdvertising
import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSession
import CloudletSystem
import Hummingbird

/// Answers HTTP requests: the UPnP device, the page for people, and the paths for monitoring.
struct WebPart: NodePart {
    private let subscriptions: EventSubscriptions
    private let server: NodeHTTPServer<RouterResponder<NodeRequestContext>>

    /// Creates the server, which determines the HTTP port.
    init(
        _ context: NodeContext, record: CurrentValue<NodeRecord>, interfaces: CurrentValue<[NetworkInterface]>,
        sessions: SessionPart, machines: MachinePart, health: Health
    ) {
        subscriptions = EventSubscriptions(record: record, logger: context.logger)
        let table = sessions.server.table
        let router = NodeRouter()
        UPnPRoutes(record: record, subscriptions: subscriptions, interfaces: interfaces) {
            Self.lines(about: await table.statuses())
        }.add(to: router)
        PresentationPage(record: record).add(to: router)
        OperationRoutes(
            health: health, metrics: context.metrics, queue: { [admission = sessions.admission] in admission.waiting },
            warmVMs: { [pool = machines.warmPool] in pool.count }
        ) {
            await table.statuses()
        }.add(to: router)
        server = NodeHTTPServer(
            record: record, interfaces: interfaces, responder: router.buildResponder(),
            connections: context.connections.http, gate: context.connections.httpGate, logger: context.logger)
    }

    var services: [NodeService] { [NodeService("UPnP events", subscriptions), NodeService("HTTP server", server)] }

    /// The lines about sessions that every host on the LAN may see. They omit the ids, because a client with an id can
    /// end the session.
    static func lines(about sessions: [SessionStatus]) -> [String] {
        sessions.enumerated().map { "\($0 + 1) \($1.stage.rawValue) \($1.appName ?? "-")" }
    }
}
