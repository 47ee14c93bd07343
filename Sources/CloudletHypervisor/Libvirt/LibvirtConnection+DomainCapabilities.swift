// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt
import CloudletCore

extension LibvirtConnection {
    /// What QEMU offers to a 64-bit x86 guest of a machine type, as XML, or why there is no such guest on this host.
    /// Blocks, but asks no other service, unlike ``capabilities()``.
    func domainCapabilities(
        machineType: String, _ accelerator: MachineDescription.Accelerator
    ) throws(CloudletError) -> Result<String, CloudletError> {
        let type = accelerator == .kvm ? "kvm" : "qemu"
        let result = unsafe virConnectGetDomainCapabilities(pointer, nil, "x86_64", machineType, type, 0)
        if let text = unsafe LibvirtText(result) { return .success(text.string) }
        let error = LibvirtError.current("there is no machine of type '\(machineType)' under \(accelerator.rawValue)")
        guard LibvirtError.isInvalidArgument else { throw error }
        return .failure(error)
    }
}
