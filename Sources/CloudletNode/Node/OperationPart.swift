// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSession
import CloudletSystem
import Foundation
import NIOCore
import NIOPosix
import UnixSignals

/// Monitors and controls the node: health, the service manager, reloading, the log.
struct OperationPart: NodePart {
    let health: Health
    private let context: NodeContext
    private let table: SessionTable
    private let reloading: Reloading
    private let manager: ServiceManager

    /// Monitors these parts.
    init(
        _ context: NodeContext, watching parts: [any NodePart], table: SessionTable, hangups: UnixSignalsSequence,
        reload: @escaping NodeConfiguration.Reload
    ) {
        self.context = context
        self.table = table
        manager = ServiceManager(environment: ProcessInfo.processInfo.environment)
        health = Health(
            [Health.Check("event loops", Self.requireEventLoops)] + parts.flatMap(\.checks), logger: context.logger)
        reloading = Reloading(
            signals: hangups, configuration: context.configuration, read: reload, manager: manager, health: health,
            logger: context.logger)
    }

    var services: [NodeService] {
        [
            NodeService("health", health),
            NodeService("log", RepeatedLineReports(logs: context.logs)),
            NodeService(
                "log settings",
                ConfigurationFollower(context.configuration) { [logs = context.logs] in
                    logs.change(format: $0.logFormat, level: $0.logLevel)
                }),
            NodeService(
                "service manager",
                ServiceManagerReports(manager: manager, health: health) { [table] in await table.statuses() }),
            NodeService("reloading", reloading),
        ]
    }

    /// Checks that every event loop still executes tasks.
    private static func requireEventLoops() async throws(CloudletError) {
        for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() {
            do { try await loop.submit {}.get() } catch {
                throw CloudletError(.defect, "an event loop does not work", cause: error)
            }
        }
    }
}
