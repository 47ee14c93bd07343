// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import SystemPackage

/// `cloudlet base IMAGE`: makes a base VM from a disk image.
struct BaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "base", abstract: "Make a base VM from a bootable disk image.",
        discussion: """
            Boots a VM from a raw disk, which it writes to. When the work in the VM is done, its memory and device \
            state are saved beside the disk. With --until-port or --provision, the guest may not have started \
            qemu-guest-agent by then, so the command waits for it for up to \(Customisation.agentStartLimit.shown).

            From images in other formats (qcow2, VMDK, VDI, VHDX, OVA, or compressed by xz, gzip or zstd), a raw disk \
            is made first. The image itself is not changed.
            """)

    @Argument(help: "The disk image.", completion: .file())
    var image: String

    /// Only there to be refused with the reason.
    @Argument(help: .hidden)
    var secondImage: String?

    @Option(
        name: .shortAndLong,
        help: "The raw disk to make from the image; beside the image unless given. A raw image is copied to it.",
        completion: .file())
    var output: String?

    @Option(help: "Memory of the VM: a number of MiB, or a size such as 512M or 4GiB.")
    var memory = MemoryArgument(mebibytes: 1024)

    @Option(help: "Number of virtual CPUs.")
    var cpus = 1

    @Option(name: .customLong("cpu-model"), help: "CPU model of the VM.")
    var cpuModel = MachineDescription.defaultCPUModel

    @Option(name: .customLong("machine"), help: "Machine of the VM: pc, q35, or a machine type of QEMU.")
    var machineType = "pc"

    @Option(help: "Firmware of the VM: bios, uefi, or auto, which is uefi for disks that only UEFI boots.")
    var firmware: FirmwareChoice = .auto

    enum FirmwareChoice: String, ExpressibleByArgument, CaseIterable {
        case auto, bios, uefi
    }

    @Flag(
        name: .customLong("no-free-page-reporting"),
        help: "Omit the device with which guests report free memory; overlays become larger.")
    var noFreePageReporting = false

    @Option(name: .customLong("disk-bus"), help: "Bus of the VM's disk.")
    var diskBus: DiskBusChoice = .virtio

    enum DiskBusChoice: String, ExpressibleByArgument, CaseIterable {
        case virtio, ide
    }

    @OptionGroup var cloudInit: CloudInitOptions
    @OptionGroup var hypervisorOptions: HypervisorOptions
    @OptionGroup var customise: CustomiseOptions

    func validate() throws {
        if let secondImage {
            throw ValidationError(
                "'\(secondImage.displayable())' would be a second disk, but a VM here has one; "
                    + "put what is needed on one disk")
        }
    }

    func run() async throws {
        let home = try CloudletHome.current()
        let registry = try Registry(home.database)
        let image = FilePath(self.image)
        let conversion = try ImageConversion.plan(image, output: output.map { FilePath($0) })
        let path = try conversion?.output ?? BaseCreation.requireNew(image, registry: registry)
        if conversion != nil { try BaseCreation.requireFree(path, registry: registry) }
        let forwards = try customise.forwards()
        var customisation = try Customisation(customise)
        var machine = MachineDescription(
            memoryMiB: memory.mebibytes, vcpus: cpus, accelerator: .tcg,
            diskBus: diskBus == .virtio ? .virtio : .ide, cpuModel: cpuModel,
            machineType: MachineDescription.machineTypes[machineType] ?? machineType,
            freePageReporting: !noFreePageReporting)
        try machine.validate()
        try machine.requireFixedModel()
        let seed = try cloudInit.seed(hostName: image.stem ?? "")
        // The VM writes to the disk.
        let diskBytes = conversion == nil ? try File(path, .readWrite).size() : 0
        try BaseCreation.requireDestination(path, diskBytes: diskBytes, memoryBytes: machine.memoryBytes)
        let hypervisor = try await hypervisorOptions.open(home)
        try await hypervisor.requireCPUModel(named: cpuModel)
        machine.accelerator = hypervisor.accelerator
        machine.machineType = try await hypervisor.machineType(named: machine.machineType)
        // Firmware that is missing is reported before the conversion, or removes the disk that needs it.
        if firmware == .uefi { _ = try UEFIFirmware.find(for: machine.machineType) }
        if let conversion { try await convert(conversion, for: machine) }
        let outlook = try BootOutlook(of: try File(path, .read))
        machine.firmware = try firmware(for: outlook, machine.machineType)
        if firmware == .auto, outlook.needsUEFI {
            Console.note("The disk boots by UEFI only, so the VM gets UEFI firmware.")
        }
        customisation.doubt = outlook.doubt(with: machine.firmware)
        if let doubt = customisation.doubt { Console.note("\(path.string.displayable()): \(doubt).") }
        var options = VMOptions()
        options.forwarding.forwards = forwards + customise.temporaryForwards(beside: forwards)
        options.forwarding.takenPortAdvice = CustomiseOptions.takenPortAdvice
        options.display = customisation.needsDisplay
        options.outboundNetwork = true
        let times = StageTimes()
        let base = try await BaseCreation(hypervisor: hypervisor, registry: registry).create(
            path, as: machine, options, seed: seed, fallback: .command(home),
            waitingForAgent: customisation.agentLimit, times: times, progress: { ProgressLine.show($0) }
        ) { [customisation] (machine, forwards) throws(CloudletError) in
            try await customisation.wait(machine, forwards)
        }
        ProgressLine.clear()
        Report.times(times)
        Console.result("Base VM is created from \(base.files.disk)")
        Console.result("Disk: \(base.files.disk)")
        Console.result("Mem: \(base.files.memory)")
        Console.result("Hash: \(base.hash)")
        Report.guest(try await OpenBase.open(base, in: registry).snapshot.description.guest)
    }

    /// Makes the raw disk from an image of another format, unless it then leaves too little space for the base VM, or
    /// needs firmware that this host doesn't have.
    private func convert(
        _ conversion: ImageConversion, for machine: MachineDescription
    ) async throws(CloudletError) {
        Console.note(
            "\(conversion.source.string.displayable()) is \(conversion.format); a raw disk for the VM is being made: "
                + conversion.output.string.displayable())
        try await conversion.convert { (disk) throws(CloudletError) in
            _ = try firmware(for: try BootOutlook(of: disk), machine.machineType)
            try BaseCreation.requireDestination(
                conversion.output, diskBytes: try disk.size(), memoryBytes: machine.memoryBytes)
        } progress: {
            ProgressLine.show($0)
        }
        ProgressLine.clear()
    }

    private func firmware(for outlook: BootOutlook, _ machineType: String) throws(CloudletError) -> Firmware {
        switch firmware {
        case .bios: return .bios
        case .auto where !outlook.needsUEFI: return .bios
        case .auto, .uefi: return .uefi(try UEFIFirmware.find(for: machineType).sizes)
        }
    }
}
