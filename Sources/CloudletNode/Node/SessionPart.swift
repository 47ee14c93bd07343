// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletHypervisor
import CloudletNetwork
import CloudletSession
import CloudletSystem
import Logging

/// Serves clients: admission, the server of the synthesis protocol and its sockets, and the journal of its sessions.
struct SessionPart: NodePart {
    let admission: Admission
    let server: SessionServer
    let sockets: SynthesisSockets
    private let listener: SynthesisListener
    private let context: NodeContext
    /// Records the sessions.
    let journal: SessionJournal
    private let machines: MachinePart

    /// Adopts the VMs of an earlier node, removes everything else that it left behind, and binds the sockets.
    init(
        _ context: NodeContext, registry: NodeRegistry, machines: MachinePart,
        interfaces: CurrentValue<[NetworkInterface]>
    ) async throws(CloudletError) {
        let (settings, configuration) = (context.settings, context.configuration)
        let scratch = machines.hypervisor.workDirectory
        self.context = context
        self.machines = machines
        admission = Admission(
            policy: { Admission.Policy(configuration.value) },
            reclaimable: Admission.ReclaimableMemory(
                bytes: { [pool = machines.warmPool] in pool.memory }, reclaim: machines.warmPool.reclaimMemory)
        ) { HostResources.figures(scratch: scratch) }
        let adopted = try await Leftovers(context, registry: registry, machines: machines, admission: admission)
            .cleared()
        sockets = try await SynthesisSockets(
            SynthesisAddresses(settings), on: interfaces.value, gate: context.connections.sessionGate)
        let fetch = OverlayFetch(policy: settings.overlayURLs, directory: scratch) {
            max(0, HostResources.figures(scratch: scratch).freeDisk - configuration.value.diskReserve)
        }
        let backend = NodeBackend(
            registry: registry, pool: machines.warmPool, admission: admission, fetch: fetch,
            options: machines.options, metrics: context.metrics, vms: machines.vms, logger: context.logger)
        server = SessionServer(
            backend: MeasuredBackend(backend: backend, metrics: context.metrics),
            limits: context.connections.bounding(settings.sessionLimits), unended: machines.unended,
            logger: context.logger)
        journal = SessionJournal(registry: registry, table: server.table)
        listener = SynthesisListener(
            server: server, adopting: adopted, sockets: sockets, interfaces: interfaces, logger: context.logger)
    }

    var services: [NodeService] {
        [
            NodeService("session journal", journal),
            NodeService("synthesis listener", listener),
            NodeService(
                "session limits",
                ConfigurationFollower(context.configuration) { [server, connections = context.connections] in
                    server.limits.set(connections.bounding($0.sessionLimits))
                }),
        ]
    }

    var checks: [Health.Check] {
        let scratch = machines.hypervisor.workDirectory
        return [
            Health.Check("sessions") { [server] () async throws(CloudletError) in _ = await server.table.statuses() },
            Health.Check("listeners") { [listener] () async throws(CloudletError) in
                guard !listener.bound.value.isEmpty else {
                    throw CloudletError(
                        .unavailable, "the node listens on no address",
                        advice: "connect a network, or name an address with --listen")
                }
            },
            Health.Check("disk") { [configuration = context.configuration] () async throws(CloudletError) in
                try DiskCheck.requireRoom(
                    HostResources.space(of: scratch), reserve: configuration.value.diskReserve)
            },
        ]
    }
}
