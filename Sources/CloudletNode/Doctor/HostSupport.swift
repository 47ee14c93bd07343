// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
package import CloudletSystem

/// Finds out which base VMs this machine can run, as a node with the same configuration does.
package actor HostSupport {
    private let configuration: NodeConfiguration
    private let home: CloudletHome
    private var known: MachineDescription.Accelerator?
    private var hypervisor: Hypervisor?

    /// Answers for a node with this configuration and state directory.
    package init(configuration: NodeConfiguration, home: CloudletHome) {
        self.configuration = configuration
        self.home = home
    }

    /// What this machine can do with VMs that were saved with a machine.
    /// - Throws: `CloudletError` when that can't be found out.
    package func support(of machine: MachineDescription) async throws(CloudletError) -> MachineSupport {
        let accelerator = try await accelerator()
        // Every host has these; opening the hypervisor takes a second.
        let usual = MachineDescription(accelerator: accelerator)
        if machine.accelerator == accelerator, machine.machineType == usual.machineType,
            machine.cpuModel == usual.cpuModel
        {
            return .resumes
        }
        return try await opened(accelerator).support(of: machine)
    }

    private func accelerator() async throws(CloudletError) -> MachineDescription.Accelerator {
        if let accelerator = configuration.accelerator.fixed ?? known { return accelerator }
        // Not every verdict is stored, and a run takes seconds.
        let probed = try await AcceleratorProbe.verdict(cache: home.acceleratorCache).accelerator
        known = probed
        return probed
    }

    private func opened(_ accelerator: MachineDescription.Accelerator) async throws(CloudletError) -> Hypervisor {
        if let hypervisor { return hypervisor }
        let root = try HypervisorRoot(under: home.hypervisors, role: .command)
        let opened = try await Hypervisor.open(root, uri: configuration.libvirtURI, accelerator: accelerator)
        hypervisor = opened
        return opened
    }
}
