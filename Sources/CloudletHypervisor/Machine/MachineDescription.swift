package import CloudletCore

/// The virtual hardware of a VM. It is fixed when the base VM is made, stored in its snapshot, and must be the same
/// wherever the VM is resumed: QEMU itself doesn't notice another CPU model.
package struct MachineDescription: Hashable, Sendable {
    /// Guest memory in MiB.
    package var memoryMiB: Int
    /// Virtual CPUs.
    package var vcpus: Int
    /// Versioned machine type of QEMU.
    package var machineType: String
    /// CPU model by name, never the host's.
    package var cpuModel: String
    /// What executes guest code.
    package var accelerator: Accelerator
    /// How the disk is attached.
    package var diskBus: DiskBus
    /// Whether the guest tells which pages it freed, so that they cost nothing in an overlay.
    package var freePageReporting: Bool
    /// Number of the fixed list of devices with their addresses; see `DomainXML`.
    package var deviceList: Int

    /// What executes guest code; state saved under one is not resumed under the other.
    package enum Accelerator: String, Sendable, Hashable, CaseIterable {
        /// Hardware virtualisation.
        case kvm
        /// QEMU's translator.
        case tcg
    }

    /// How the disk is attached.
    package enum DiskBus: String, Sendable, Hashable, CaseIterable {
        /// virtio-blk: any Linux of the last fifteen years, Windows with drivers.
        case virtio
        /// IDE: anything.
        case ide
    }

    /// The oldest machine type QEMU 7.2 and later have in common with us.
    package static let defaultMachineType = "pc-i440fx-7.2"
    /// A model of our own name: qemu64 with the features of the x86-64-v2 level, which both accelerators have.
    package static let defaultCPUModel = "x86-64-v2"
    /// The device list of new base VMs. 2 has a VM generation id and a channel for a guest agent; states of list 1 go on.
    package static let currentDeviceList = 2

    /// Describes a machine; 1 GiB of memory and one CPU unless said otherwise.
    package init(
        memoryMiB: Int = 1024, vcpus: Int = 1, accelerator: Accelerator, diskBus: DiskBus = .virtio,
        cpuModel: String = defaultCPUModel, machineType: String = defaultMachineType, freePageReporting: Bool = true,
        deviceList: Int = currentDeviceList
    ) {
        self.memoryMiB = memoryMiB
        self.vcpus = vcpus
        self.accelerator = accelerator
        self.diskBus = diskBus
        self.cpuModel = cpuModel
        self.machineType = machineType
        self.freePageReporting = freePageReporting
        self.deviceList = deviceList
    }

    /// Bytes of guest memory.
    package var memoryBytes: Int { memoryMiB << 20 }

    /// Whether there are devices by which a guest learns that it goes on from a saved state.
    var hasGuestDevices: Bool { deviceList >= 2 }

    /// Refuses values that no VM can have or that don't belong into a domain description.
    package func validate() throws(CloudletError) {
        guard (16...1 << 20).contains(memoryMiB) else {
            throw CloudletError(.usage, "a VM can't have \(memoryMiB) MiB of memory", advice: "give 16 to 1048576 MiB")
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
    }

    /// Refuses CPU models that are another CPU on each host: state saved with one would be loaded with another, unnoticed.
    package func requireFixedModel() throws(CloudletError) {
        guard !["host", "max", "base"].contains(cpuModel) else {
            throw CloudletError(
                .usage, "the CPU model '\(cpuModel)' is another one on each host",
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
