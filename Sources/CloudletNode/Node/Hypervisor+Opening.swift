// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSession
import CloudletSystem
import Logging

extension Hypervisor {
    /// Opens the configured hypervisor. Events of its VMs are logged with their sessions. The VMs of failed launches and
    /// of an earlier node that can't be ended are added to `unended`.
    static func opened(
        _ context: NodeContext, _ vms: VMSessions, _ unended: UnendedVMs
    ) async throws(CloudletError) -> Hypervisor {
        let (settings, logger) = (context.settings, context.logger)
        let verdict = try await AcceleratorProbe.verdict(cache: context.home.acceleratorCache)
        let accelerator = settings.accelerator.fixed ?? verdict.accelerator
        logger.info("accelerator", metadata: ["uses": "\(accelerator)", "reason": "\(verdict.reason)"])
        let root = try await root(in: context.home, logger)
        return try await Hypervisor.open(
            root, uri: settings.libvirtURI, accelerator: accelerator,
            ending: { name, end in await unended.end(name, end) }, note: { vms.log($0, to: logger) })
    }

    /// Takes the directory of the hypervisor. If it can't be created because the disk is full, the node waits for
    /// space, because stopping would not help.
    private static func root(in home: CloudletHome, _ logger: Logger) async throws(CloudletError) -> HypervisorRoot {
        var isReported = false
        while true {
            do throws(CloudletError) { return try HypervisorRoot(under: home.hypervisors, role: .node) } catch {
                let space = HostResources.space(of: home.root)
                guard error.code == .io, let space, space.free < leastRoom else { throw error }
                if !isReported {
                    logger.error("the node waits for free space on its disk", metadata: ["reason": "\(error)"])
                }
                isReported = true
            }
            // No event reports that a disk has space again.
            await promptSleep(for: .milliseconds(500))
        }
    }

    /// With less free space, in bytes, the disk counts as full.
    private static let leastRoom = 1 << 20
}
