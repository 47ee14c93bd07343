// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletHypervisor
import CloudletSession
import CloudletSystem
import Foundation
import Logging

/// Keeps the node's record, which describes the node on the network, up to date.
struct IdentityPart: NodePart {
    let record: CurrentValue<NodeRecord>
    private let context: NodeContext
    private let keeper: RecordKeeper

    /// Creates the record. From here on, overlays can't use its ports.
    init(_ context: NodeContext, registry: NodeRegistry, machines: MachinePart, sessions: SessionPart) async {
        self.context = context
        let bases = await machines.support.announced((try? await registry.bases()) ?? [])
        record = CurrentValue(
            NodeRecord(
                id: Self.id(context), name: Self.name(context.settings),
                synthesisPort: sessions.sockets.announcedPort, httpPort: context.settings.httpPort,
                bases: bases.resumable, bootableBases: bases.bootable, load: RecordKeeper.load(),
                freeMemory: RecordKeeper.roundedFreeMemory(), features: [machines.hypervisor.accelerator.rawValue]))
        keeper = RecordKeeper(
            record: record, registry: registry, support: machines.support, table: sessions.server.table,
            logger: context.logger)
        machines.guestPorts.reserve { [record, ports = sessions.sockets.ports] in
            ports.union([record.value.httpPort])
        }
    }

    var services: [NodeService] {
        [
            NodeService("record", keeper),
            NodeService(
                "name",
                ConfigurationFollower(context.configuration) { [record] configuration in
                    record.update { $0.name = Self.name(configuration) }
                }),
        ]
    }

    private static func id(_ context: NodeContext) -> NodeID {
        do { return try NodeID.kept(in: context.home.root) } catch {
            context.logger.warning(
                "the node's id can't be stored: the node will have another id after its next start",
                metadata: ["reason": "\(error)"])
            return .random()
        }
    }

    /// The name of the node: the configured one, or one derived from the host's name.
    private static func name(_ configuration: NodeConfiguration) -> String {
        if let name = configuration.name { return name }
        let host = ProcessInfo.processInfo.hostName.split(separator: ".").first.map(String.init) ?? "host"
        return "Cloudlet \(host)"
    }
}
