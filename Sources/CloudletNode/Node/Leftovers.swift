// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSession
import CloudletSystem
import Logging

/// VMs, files and sessions that an earlier node left behind when it stopped or died.
struct Leftovers {
    private let context: NodeContext
    private let registry: NodeRegistry
    private let machines: MachinePart
    private let admission: Admission

    init(_ context: NodeContext, registry: NodeRegistry, machines: MachinePart, admission: Admission) {
        self.context = context
        self.registry = registry
        self.machines = machines
        self.admission = admission
    }

    /// Ends and removes all leftovers except the sessions that the node is configured to adopt. VMs that can't be ended
    /// now are ended later.
    /// - Returns: the sessions to adopt.
    func cleared() async throws(CloudletError) -> [AdoptedSession] {
        let adopted =
            context.settings.keepsVMs
            ? try await Adoption(
                registry: registry, hypervisor: machines.hypervisor, admission: admission, metrics: context.metrics,
                vms: machines.vms, logger: context.logger
            ).sessions() : []
        for name in try await machines.hypervisor.removeLeftovers(except: Set(adopted.map(\.machine.name))) {
            context.logger.notice("ended a VM that was left behind", metadata: ["vm": "\(name)"])
        }
        await registry.reconcile(keeping: Set(adopted.map(\.status.id)))
        return adopted
    }
}
