import CLibvirt
import CloudletCore

extension LibvirtConnection {
    /// What QEMU offers to a 64-bit x86 guest of a machine type, as XML. Blocks.
    func domainCapabilities(machineType: String, _ accelerator: MachineDescription.Accelerator) throws(CloudletError)
        -> String
    {
        let type = accelerator == .kvm ? "kvm" : "qemu"
        let result = unsafe virConnectGetDomainCapabilities(pointer, nil, "x86_64", machineType, type, 0)
        guard let text = unsafe LibvirtText(result) else {
            throw LibvirtError.current("can't read the hypervisor's capabilities for '\(machineType)'")
        }
        return text.string
    }
}
