public import CloudletCore
public import CloudletHypervisor
import CloudletOverlay
public import CloudletStore
import CloudletSystem
public import SystemPackage

/// Makes a base VM from a raw disk: boots it, lets the user set it up, saves its memory and device state, and writes
/// the files of the original's format beside the disk.
public struct BaseCreation: Sendable {
    private let hypervisor: Hypervisor
    private let registry: Registry

    /// What the VM gets beside its machine while the user sets it up.
    public struct Options: Sendable {
        /// The virtual hardware, which every VM on this base will have.
        public var machine: MachineDescription
        /// Forwards for the set-up only.
        public var forwards: [PortForward] = []
        /// Whether there is a VNC display.
        public var display = false
        /// Whether the guest may reach other hosts.
        public var outboundNetwork = true

        /// A machine without forwards and display.
        public init(machine: MachineDescription) { self.machine = machine }
    }

    /// Uses this hypervisor and registry.
    public init(hypervisor: Hypervisor, registry: Registry) {
        self.hypervisor = hypervisor
        self.registry = registry
    }

    /// Checks everything that can be checked before the VM boots.
    public static func requireNew(_ disk: FilePath, registry: Registry) throws(CloudletError) -> FilePath {
        let path = try CloudletHome.resolve(disk)
        try DiskImageCheck.requireBootableRaw(try File(path, .read))
        if try registry.base(disk: path) != nil {
            throw CloudletError(
                .cannotCreate, "\(path) is a base VM already",
                advice: "remove it first with 'cloudlet del-base \(path)'; overlays made from it will not fit any more")
        }
        try BaseFileWriter.recover(BaseFiles(disk: path))
        for file in BaseFiles(disk: path).derived where try FileStatus.of(file) != nil {
            throw CloudletError(
                .cannotCreate, "\(file) exists already",
                advice: "register the base VM with 'cloudlet add-base \(path)', or remove its files")
        }
        return path
    }

    /// Boots the disk, waits for `setUp`, and makes the base VM.
    /// - Parameters:
    ///   - disk: the user's raw disk; the VM writes to it.
    ///   - options: machine, forwards, display.
    ///   - times: notes the stages.
    ///   - progress: is told what is being done.
    ///   - setUp: returns when the user is done; the VM runs meanwhile.
    /// - Returns: the registry's entry.
    /// - Throws: `CloudletError`; no file and no row of a base VM is left then.
    public func create(
        _ disk: FilePath, _ options: Options, times: StageTimes,
        progress: @escaping @Sendable (String) -> Void = { _ in },
        setUp: (VirtualMachine, [ActiveForward]) async throws(CloudletError) -> Void
    ) async throws(CloudletError) -> BaseVM {
        let path = try Self.requireNew(disk, registry: registry)
        let work = try WorkDirectory(on: hypervisor)
        var cleanup = VMCleanup(work)
        let files = BaseFileWriter(disk: path)
        do throws(CloudletError) {
            let memory = try SharedMemory(named: "cloudlet-ram", size: options.machine.memoryBytes)
            let resources = VMResources(
                name: work.vmName, disk: path, diskFormat: .raw, memoryPath: memory.path,
                waitsForState: false, display: options.display, outboundNetwork: options.outboundNetwork)
            progress("boot")
            let machine = try await times.measure("start emulator") { () async throws(CloudletError) in
                try await hypervisor.start(options.machine, resources, paused: true)
            }
            cleanup.started(machine)
            let forwards = try await machine.addForwards(options.forwards, on: "127.0.0.1")
            try await machine.resume()
            try await times.measure("set up") { () async throws(CloudletError) in try await setUp(machine, forwards) }

            progress("save memory")
            let guest = await machine.guestSupport()
            try await times.measure("save memory") { () async throws(CloudletError) in
                try await machine.pause()
                try await files.writeMemory(
                    memory, state: try await machine.saveState(),
                    VMDescription(machine: options.machine, guest: guest),
                    emulator: try await machine.emulatorVersion())
            }
            try await machine.destroy()
            progress("hash")
            let base = try await times.measure("hash") { () async throws(CloudletError) -> BaseVM in
                try await files.writeHashes(accelerator: options.machine.accelerator)
            }
            try files.publish()
            let stamped = try files.stamped(base)
            try registry.add(stamped)
            await cleanup.run()
            return stamped
        } catch {
            await cleanup.run()
            files.discard()
            throw error
        }
    }
}
