// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletStore
package import CloudletSystem

/// Checks whether this machine can be a node, by trying the operations of a node.
package struct Doctor: Sendable {
    let configuration: NodeConfiguration
    let home: CloudletHome

    /// Creates a doctor for a node with this configuration and state directory.
    package init(configuration: NodeConfiguration, home: CloudletHome) {
        self.configuration = configuration
        self.home = home
    }

    /// Checks everything and returns the findings, in the order in which a node needs the parts.
    package func examine() async -> [Finding] {
        let (findings, hypervisor) = await examineHypervisor()
        let bases = await examineBases(hypervisor)
        return findings + [examineAppArmor()] + examineHome() + bases + examineSpace() + examineNetwork()
            + examinePorts() + examineMDNS()
    }
}
