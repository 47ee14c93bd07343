// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletAdvertising
import CloudletDiscovery
import CloudletHypervisor
import CloudletNetwork
import CloudletSession
package import CloudletSystem
import Logging
import ServiceLifecycle
import UnixSignals

/// The daemon: accepts clients, announces itself, and serves its description and status, until SIGTERM, SIGINT or
/// SIGQUIT.
package struct Node: Sendable {
    private let context: NodeContext
    private let reload: NodeConfiguration.Reload

    /// Creates a node.
    /// - Parameters:
    ///   - configuration: the initial settings.
    ///   - home: the state directory.
    ///   - logs: writes the log lines.
    ///   - reload: reads the settings again.
    package init(
        configuration: NodeConfiguration, home: CloudletHome, logs: LogOutput,
        reload: @escaping NodeConfiguration.Reload
    ) {
        context = NodeContext(configuration: configuration, home: home, logs: logs)
        self.reload = reload
    }

    /// Runs the node.
    /// - Throws: `CloudletError` when it can't start.
    package func run() async throws {
        // Trapped from here on, because a SIGHUP during the start must not end the node.
        let hangups = await UnixSignalsSequence(trapping: .sighup)

        let network = try NetworkMonitor(
            policy: InterfacePolicy(names: context.settings.interfaces), logger: context.logger)
        let state = try await RegistryPart(context)
        let machines = try await MachinePart(context, registry: state.registry, interfaces: network.interfaces)
        let sessions = try await SessionPart(
            context, registry: state.registry, machines: machines, interfaces: network.interfaces)
        let control = ControlPart(context, sessions: sessions)
        let identity = await IdentityPart(context, registry: state.registry, machines: machines, sessions: sessions)
        ProcessRights.current().report(
            context.settings, accelerator: machines.hypervisor.accelerator, to: context.logger)
        let operation = OperationPart(
            context, watching: [sessions, state, machines], table: sessions.server.table, hangups: hangups,
            reload: reload)
        let web = WebPart(
            context, record: identity.record, interfaces: network.interfaces, sessions: sessions, machines: machines,
            health: operation.health)
        let advertising = AdvertisingPart(context, record: identity.record, interfaces: network.interfaces)
        let announcement = Announcement(
            record: identity.record.value, accelerator: machines.hypervisor.accelerator.rawValue,
            bound: sessions.sockets.bound, logger: context.logger)

        // The parts start in this order and stop in reverse. So the node first announces that it leaves; last, it
        // records how sessions ended, and reports that to programs that asked.
        let parts: [any NodePart] = [
            control, network, state, sessions, machines, identity, operation, web, advertising, announcement,
        ]
        var group = ServiceGroupConfiguration(
            services: parts.flatMap(\.services), gracefulShutdownSignals: [.sigterm, .sigint, .sigquit],
            logger: context.logger)
        group.maximumGracefulShutdownDuration = .seconds(30)
        try await ServiceGroup(configuration: group).run()
        context.logger.notice("node has ended")
    }
}

extension NetworkMonitor: NodePart {
    var services: [NodeService] { [NodeService("network", self)] }
}
