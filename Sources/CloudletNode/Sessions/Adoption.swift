// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSession
import CloudletStore
import Foundation
import Logging

/// Finds the VMs that an earlier node left running for their sessions.
struct Adoption: Sendable {
    let registry: NodeRegistry
    let hypervisor: Hypervisor
    let admission: Admission
    let metrics: NodeMetrics
    let vms: VMSessions
    let logger: Logger

    /// The sessions that can continue. Each client has the time of the lease to reconnect.
    func sessions() async throws(CloudletError) -> [AdoptedSession] {
        let running = try await hypervisor.runningVMs()
        var adopted: [AdoptedSession] = []
        // If the sessions are unknown, VMs that they still use would be ended.
        guard let left = registry.sessionsLeft else {
            throw CloudletError(
                .busy, "the registry, which says whose VMs were kept running, can't be read",
                advice: registry.troubles.first)
        }
        for record in left {
            guard let vm = record.vm, running.contains(vm), let base = record.base.flatMap({ SHA256Digest(hex: $0) })
            else { continue }
            var status = SessionStatus(
                id: record.id, client: record.client, created: Date(timeIntervalSince1970: Double(record.created)))
            status.stage = .running
            status.appName = record.app
            status.baseHash = base
            status.forwards = record.forwards
            status.bootReason = record.bootReason
            status.vm = vm
            var machine = try await registry.base(hash: base)?.machine
            // A VM that was booted does not have the accelerator of its base VM.
            machine?.accelerator = hypervisor.accelerator
            adopted.append(
                AdoptedSession(
                    status: status,
                    machine: MeasuredVM(
                        machine: NodeVM(adopting: vm, on: hypervisor, vms: vms),
                        metrics: metrics),
                    reservation: admission.adopt(client: record.client, memory: machine?.hostBytes ?? 0)))
            vms.set(vm, record.id)
            hypervisor.adoptPorts(of: vm)
            logger.notice("session continues", metadata: ["session": "\(record.id)", "vm": "\(vm)"])
        }
        return adopted
    }
}
