// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// The virtual hardware of a VM. It is fixed when the base VM is made, stored in its snapshot, and must be the same
/// wherever the VM is resumed, because QEMU itself does not notice a different CPU model.
package struct MachineDescription: Hashable, Sendable {
    /// Guest memory in MiB.
    package var memoryMiB: Int
    /// Virtual CPUs.
    package var vcpus: Int
    /// QEMU's machine type, with its version.
    package var machineType: String
    /// Name of the CPU model; never `host`.
    package var cpuModel: String
    /// The accelerator that executes guest code.
    package var accelerator: Accelerator
    /// How the disk is attached.
    package var diskBus: DiskBus
    /// Whether the guest reports the pages that it has freed, so that an overlay need not contain them.
    package var freePageReporting: Bool
    /// Version of the fixed list of devices and their addresses; see `DomainXML`.
    package var deviceList: Int
    /// What boots the guest.
    package var firmware: Firmware

    /// The accelerator that executes guest code. A state saved under one can't be resumed under the other.
    package enum Accelerator: String, Sendable, Hashable, CaseIterable {
        /// Hardware virtualisation.
        case kvm
        /// QEMU's software emulation.
        case tcg
    }

    /// How the disk is attached.
    package enum DiskBus: String, Sendable, Hashable, CaseIterable {
        /// virtio-blk: for any Linux of the last fifteen years, and Windows with drivers.
        case virtio
        /// IDE: for any system.
        case ide
    }

    /// A machine type that QEMU 7.2 and all later versions have.
    package static let defaultMachineType = "pc-i440fx-7.2"
    /// Short names of machine types that QEMU 7.2 and all later versions have. QEMU has the same short names, but for
    /// other types in each version.
    package static let machineTypes = ["pc": defaultMachineType, "q35": "pc-q35-7.2"]
    /// A model name of this program: qemu64 with the features of the x86-64-v2 level, which both accelerators support.
    package static let defaultCPUModel = "x86-64-v2"
    /// The device list of new base VMs. List 2 has a VM generation id and a channel for a guest agent. States with list
    /// 1 can still be resumed.
    package static let currentDeviceList = 2

    /// Describes a machine, by default with 1 GiB of memory and one CPU.
    package init(
        memoryMiB: Int = 1024, vcpus: Int = 1, accelerator: Accelerator, diskBus: DiskBus = .virtio,
        cpuModel: String = defaultCPUModel, machineType: String = defaultMachineType, freePageReporting: Bool = true,
        deviceList: Int = currentDeviceList, firmware: Firmware = .bios
    ) {
        self.memoryMiB = memoryMiB
        self.vcpus = vcpus
        self.accelerator = accelerator
        self.diskBus = diskBus
        self.cpuModel = cpuModel
        self.machineType = machineType
        self.freePageReporting = freePageReporting
        self.deviceList = deviceList
        self.firmware = firmware
    }

    /// Bytes of guest memory.
    package var memoryBytes: Int { memoryMiB << 20 }

    /// Whether the machine has the chip set Q35, with PCI Express and SATA, in place of the i440FX.
    var isQ35: Bool { machineType.hasPrefix("pc-q35-") }

    /// Whether there are devices through which a guest can learn that it was resumed from a saved state.
    var hasGuestDevices: Bool { deviceList >= 2 }

    /// Refuses values that no VM can have or that must not appear in a domain description.
    package func validate() throws(CloudletError) {
        guard (16...1 << 20).contains(memoryMiB) else {
            throw CloudletError(
                .usage, "a VM can't have \(ByteCount.mebibytes(memoryMiB)) of memory", advice: "give 16 MiB to 1 TiB")
        }
        guard (1...255).contains(vcpus) else {
            throw CloudletError(.usage, "a VM can't have \(vcpus) CPUs", advice: "give 1 to 255")
        }
        for word in [machineType, cpuModel] where !Self.isPlainWord(word) {
            throw CloudletError(.usage, "'\(word.displayable(limit: 60))' is not a name of a machine type or CPU model")
        }
        guard (1...Self.currentDeviceList).contains(deviceList) else {
            throw CloudletError(
                .unavailable, "the VM needs device list \(deviceList), which this version doesn't know",
                advice: "use a newer cloudlet")
        }
        guard !isQ35 || diskBus != .ide else {
            throw CloudletError(
                .usage, "the machine type \(machineType) has no IDE disks",
                advice: "use --disk-bus virtio or --machine pc")
        }
        try firmware.validate()
    }

    /// Refuses CPU models that differ from host to host: a saved state would be loaded with another CPU, unnoticed.
    package func requireFixedModel() throws(CloudletError) {
        guard !["host", "max", "base"].contains(cpuModel) else {
            throw CloudletError(
                .usage, "the CPU model '\(cpuModel)' has other features on each host",
                advice: "name a model, or leave it at \(Self.defaultCPUModel)")
        }
    }

    private static func isPlainWord(_ word: String) -> Bool {
        (1...64).contains(word.utf8.count)
            && word.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
    }
}
