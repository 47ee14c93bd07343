package import CloudletCore
package import CloudletHypervisor
import CloudletOverlay
package import CloudletStore
import CloudletSystem
package import SystemPackage

/// Makes a base VM from a raw disk: boots it, lets the user set it up, saves its memory and device state, and writes
/// the files of the original's format beside the disk.
package struct BaseCreation: Sendable {
    private let hypervisor: Hypervisor
    private let registry: Registry

    /// What the VM gets beside its machine while the user sets it up.
    package struct Options: Sendable {
        /// The virtual hardware, which every VM on this base will have.
        package var machine: MachineDescription
        /// Forwards for the set-up only.
        package var forwards: [PortForward] = []
        /// Whether there is a VNC display.
        package var display = false
        /// Whether the guest may reach other hosts.
        package var outboundNetwork = true

        /// A machine without forwards and display.
        package init(machine: MachineDescription) { self.machine = machine }
    }

    /// Uses this hypervisor and registry.
    package init(hypervisor: Hypervisor, registry: Registry) {
        self.hypervisor = hypervisor
        self.registry = registry
    }

    /// Checks everything that can be checked before the VM boots.
    package static func requireNew(_ disk: FilePath, registry: Registry) throws(CloudletError) -> FilePath {
        let path = try BaseFiles.locate(disk)
        try DiskImageCheck.requireBootableRaw(try File(path, .read))
        if try registry.base(disk: path) != nil {
            throw CloudletError(
                .cannotCreate, "\(path) is a base VM already",
                advice: "use it; to make it anew, upon which overlays made from it fit no more, first run: "
                    + Shell.command("cloudlet", "del-base", path.string))
        }
        try BaseFileWriter.recover(BaseFiles(disk: path))
        for file in BaseFiles(disk: path).derived where try FileStatus.of(file) != nil {
            throw CloudletError(
                .cannotCreate, "\(file) exists already",
                advice: "move that file away, or register the base VM that it belongs to; run: "
                    + Shell.command("cloudlet", "add-base", path.string))
        }
        return path
    }

    /// Boots the disk, waits for `setUp`, and makes the base VM.
    /// - Parameters:
    ///   - disk: the user's raw disk; the VM writes to it.
    ///   - options: machine, forwards, display.
    ///   - places: where the VM's memory is kept when the files can't be written, also because of an interruption; a second
    ///     one gives it up.
    ///   - times: notes the stages.
    ///   - progress: is told what is being done.
    ///   - setUp: returns when the user is done; the VM runs meanwhile.
    /// - Returns: the registry's entry.
    /// - Throws: `CloudletError` that says what became of the disk; no file and no row of a base VM is left then. When the
    ///   memory was kept, it says with which commands the base VM is made of it.
    package func create(
        _ disk: FilePath, _ options: Options, keepingIn places: KeepingPlaces, times: StageTimes,
        progress: @escaping @Sendable (String) -> Void = { _ in },
        setUp: (VirtualMachine, [ActiveForward]) async throws(CloudletError) -> Void
    ) async throws(CloudletError) -> BaseVM {
        let path = try Self.requireNew(disk, registry: registry)
        try VMResources.requireAnswers(options.forwards, outboundNetwork: options.outboundNetwork)
        let work = try WorkDirectory(on: hypervisor)
        var cleanup = VMCleanup(work)
        var hasRun = false
        let vm: SavedVM
        do throws(CloudletError) {
            let memory = try SharedMemory(named: "cloudlet-ram", size: options.machine.memoryBytes)
            let resources = VMResources(
                name: work.vmName, disk: path, diskFormat: .raw, memoryPath: memory.path,
                waitsForState: false, display: options.display, outboundNetwork: options.outboundNetwork)
            progress("boot")
            let machine = try await times.measure(.startEmulator) { () async throws(CloudletError) in
                try await hypervisor.start(options.machine, resources, paused: true)
            }
            cleanup.started(machine)
            let forwards = try await machine.addForwards(
                options.forwards, on: "127.0.0.1", wayOut: "choose another with -redir")
            hasRun = true
            try await machine.resume()
            try await times.measure(.setUp) { () async throws(CloudletError) in try await setUp(machine, forwards) }

            progress("save memory")
            vm = try await places.saving { () async throws(CloudletError) in
                let guest = await machine.guestSupport()
                return try await times.measure(.saveState) { () async throws(CloudletError) in
                    try await machine.pause()
                    return SavedVM(
                        memory: memory, state: try await machine.saveState(),
                        description: VMDescription(machine: options.machine, guest: guest),
                        emulator: try await machine.emulatorVersion())
                }
            }
            try await machine.destroy()
            await cleanup.run()
        } catch {
            await cleanup.run()
            throw Self.notMade(path, hasRun: hasRun, error)
        }
        return try await write(vm, beside: path, places, times, progress)
    }

    private static func notMade(_ disk: FilePath, hasRun: Bool, _ error: CloudletError) -> CloudletError {
        CloudletError(
            error.code,
            "no base VM was made; \(disk) " + (hasRun ? "was booted and may have been changed" : "is as it was"),
            advice: error.advice, cause: error)
    }

    /// Writes and registers the base VM; where that fails the memory is kept elsewhere.
    private func write(
        _ saved: SavedVM, beside disk: FilePath, _ places: KeepingPlaces, _ times: StageTimes,
        _ progress: @escaping @Sendable (String) -> Void
    ) async throws(CloudletError) -> BaseVM {
        let files = BaseFileWriter(disk: disk)
        let base: BaseVM
        do throws(CloudletError) {
            base = try await places.writing { () async throws(CloudletError) in
                try await times.measure(.saveMemory) { () async throws(CloudletError) in
                    try await files.writeMemory(
                        saved.memory, state: saved.state, saved.description, emulator: saved.emulator)
                }
                progress("hash")
                return try await times.measure(.hash) { () async throws(CloudletError) in
                    try await files.writeHashes(accelerator: saved.description.machine.accelerator)
                }
            }
            try registry.requireUnknown(base)
            try files.publish()
        } catch {
            files.discard()
            if files.isDecided { throw Self.notRegistered(disk, error) }
            // A base VM with this content is there.
            if error.code == .cannotCreate { throw Self.notMade(disk, hasRun: true, error) }
            places.tellKeeping(because: error)
            let kept: CloudletError
            do throws(CloudletError) {
                kept = try await places.saving { () async throws(CloudletError) in
                    try await saved.keep(for: BaseFiles(disk: disk), in: places, because: error)
                }
            } catch { throw Self.notMade(disk, hasRun: true, error) }
            // Nobody boots it meanwhile.
            try? files.protectDisk()
            throw kept
        }
        do throws(CloudletError) {
            let stamped = try files.stamped(base)
            try registry.add(stamped)
            return stamped
        } catch {
            throw Self.notRegistered(disk, error)
        }
    }

    private static func notRegistered(_ disk: FilePath, _ error: CloudletError) -> CloudletError {
        CloudletError(
            error.code, "no base VM is registered yet, but all its files are beside \(disk)",
            advice: "\(error.firstAdvice ?? "mend this"); then run: "
                + Shell.command("cloudlet", "add-base", disk.string), cause: error)
    }
}
