// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletNetwork
import CloudletSession
import CloudletSynthesis
import CloudletSystem
import Logging

/// Runs VMs: the hypervisor, and the pool of warm VMs.
struct MachinePart: NodePart {
    let hypervisor: Hypervisor
    let warmPool: WarmPool
    /// Options for running the VMs of sessions.
    let options: NodeBackend.Options
    /// The VMs that could not be ended.
    let unended: UnendedVMs
    /// The session of each VM.
    let vms = VMSessions()
    /// The host ports that overlays may use.
    let guestPorts: GuestPorts

    /// Opens the hypervisor.
    init(
        _ context: NodeContext, registry: NodeRegistry, interfaces: CurrentValue<[NetworkInterface]>
    ) async throws(CloudletError) {
        let settings = context.settings
        let logger = context.logger
        unended = UnendedVMs(logger: logger)
        hypervisor = try await Hypervisor.opened(context, vms, unended)
        let synthesizer = Synthesizer(hypervisor: hypervisor)
        guestPorts = GuestPorts(isOpen: settings.lowPorts)
        options = NodeBackend.Options(settings, guestPorts: guestPorts, interfaces: interfaces)
        // Create these threads now, because later the system may not have any left.
        _ = (WorkerPool.shared, WorkerPool.background)
        options.threads.start { isShort in
            if isShort {
                logger.error("the node serves no new clients", metadata: ["reason": "\(DetachedThread.refusal)"])
            } else {
                logger.notice("the system allows more threads and processes again")
            }
        }
        warmPool = WarmPool(
            registry: registry, support: BaseSupport(on: hypervisor, logger: logger), synthesizer: synthesizer,
            unended: unended, options: options.machine,
            policy: { [configuration = context.configuration] in WarmPool.Policy(configuration.value) },
            freeMemory: { MemoryFigures.current().available }, logger: logger)
    }

    /// Decides which base VMs can run here.
    var support: BaseSupport { warmPool.support }

    var services: [NodeService] { [NodeService("warm pool", warmPool)] }

    var checks: [Health.Check] {
        [
            Health.Check("threads") { [threads = options.threads] () throws(CloudletError) in
                try threads.requireThreads()
            },
            Health.Check("hypervisor") { [hypervisor] () async throws(CloudletError) in
                try await hypervisor.requireAnswer()
            },
            Health.Check.withWarnings("base VMs") { [pool = warmPool] () async throws(CloudletError) in
                // Another check reports a registry that can't be read.
                guard let bases = try? await pool.registry.bases() else { return [] }
                return try await pool.support.warnings(about: bases)
            },
            Health.Check.withWarnings("ended VMs") { [unended] in unended.reasons },
        ]
    }
}

extension NodeBackend.Options {
    fileprivate init(
        _ settings: NodeConfiguration, guestPorts: GuestPorts, interfaces: CurrentValue<[NetworkInterface]>
    ) {
        self.init()
        machine.forwarding.mayOpen = guestPorts.allow
        machine.outboundNetwork = settings.outboundNetwork
        machine.readinessTimeout = settings.readinessTimeout
        if let configured = settings.forwardAddress {
            forwardAddress = { _ in configured }
        } else {
            forwardAddress = { local in
                guard let address = ScopedAddress(local)?.address, !address.isV4 else { return local }
                let interface = interfaces.value.first { $0.addresses.contains { $0.address == address } }
                return interface?.addresses.first { $0.address.isV4 }.map { "\($0.address)" }
            }
        }
    }
}

extension WarmPool.Policy {
    fileprivate init(_ configuration: NodeConfiguration) {
        self.init(machines: configuration.warmVMs, memoryReserve: configuration.memoryReserve)
    }
}
