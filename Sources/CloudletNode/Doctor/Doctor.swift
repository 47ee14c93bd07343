import CloudletStore
package import CloudletSystem

/// Examines whether this machine can be a node, by trying what a node does.
package struct Doctor: Sendable {
    let configuration: NodeConfiguration
    let home: CloudletHome

    /// A doctor for a node with this configuration and state directory.
    package init(configuration: NodeConfiguration, home: CloudletHome) {
        self.configuration = configuration
        self.home = home
    }

    /// All findings, in the order in which things are needed.
    package func examine() async -> [Finding] {
        let (hypervisor, accelerator) = await examineHypervisor()
        let bases = await examineBases(accelerator)
        return hypervisor + [examineAppArmor()] + examineHome() + bases + examineSpace() + examineNetwork()
            + examinePorts() + examineMDNS()
    }
}
