import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import SystemPackage

/// `cloudlet base DISK`: makes a base VM from a raw disk.
struct BaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "base", abstract: "Make a base VM from a bootable raw disk image.",
        discussion:
            "Boots a VM from the disk, which it writes to. When the work in the VM is done, its memory and device "
            + "state are saved beside the disk."
    )

    @Argument(help: "The raw disk image.", completion: .file())
    var disk: String

    @Option(help: "Memory of the VM in MiB.")
    var memory = 1024

    @Option(help: "Number of virtual CPUs.")
    var cpus = 1

    @Option(name: .customLong("cpu-model"), help: "CPU model of the VM.")
    var cpuModel = MachineDescription.defaultCPUModel

    @Option(name: .customLong("machine"), help: "QEMU machine type of the VM.")
    var machineType = MachineDescription.defaultMachineType

    @Flag(
        name: .customLong("no-free-page-reporting"),
        help: "Omit the device with which guests report free memory; overlays become larger.")
    var noFreePageReporting = false

    @Option(name: .customLong("disk-bus"), help: "Bus of the VM's disk.")
    var diskBus: DiskBusChoice = .virtio

    enum DiskBusChoice: String, ExpressibleByArgument, CaseIterable {
        case virtio, ide
    }

    @OptionGroup var hypervisorOptions: HypervisorOptions
    @OptionGroup var customise: CustomiseOptions

    func run() async throws {
        let home = try CloudletHome.current()
        let registry = try Registry(home.database)
        let path = try BaseCreation.requireNew(FilePath(disk), registry: registry)
        let forwards = try customise.forwards()
        var customisation = try Customisation(customise)
        var machine = MachineDescription(
            memoryMiB: memory, vcpus: cpus, accelerator: .tcg,
            diskBus: diskBus == .virtio ? .virtio : .ide, cpuModel: cpuModel, machineType: machineType,
            freePageReporting: !noFreePageReporting)
        try machine.validate()
        try machine.requireFixedModel()
        try BaseCreation.requireDestination(path, memoryBytes: machine.memoryBytes)
        let hypervisor = try await hypervisorOptions.open(home)
        try await hypervisor.requireCPUModel(named: cpuModel)
        machine.accelerator = hypervisor.accelerator
        machine.machineType = try await hypervisor.machineType(named: machineType)
        customisation.doubt = try BootOutlook.doubt(about: try File(path, .read))
        if let doubt = customisation.doubt { Console.note("\(path.string.displayable()): \(doubt).") }
        var options = VMOptions()
        options.forwarding.forwards = forwards + customise.temporaryForwards(beside: forwards)
        options.forwarding.takenPortAdvice = CustomiseOptions.takenPortAdvice
        options.display = customisation.needsDisplay
        options.outboundNetwork = true
        let times = StageTimes()
        let base = try await BaseCreation(hypervisor: hypervisor, registry: registry).create(
            path, as: machine, options, fallback: .command(home), times: times,
            progress: { ProgressLine.show($0) }
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
}
