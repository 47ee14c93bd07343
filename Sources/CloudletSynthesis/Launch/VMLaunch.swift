import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem
import Synchronization
import SystemPackage

/// Brings up one VM, and owns what the VM takes of its host until it runs: scratch directory, memory, disk and emulator.
///
/// There is one launch for every way of bringing up a VM. They differ in what they put into memory and disk, in when the
/// emulator starts, and in whether the guest goes on from a saved state or boots:
///
/// | way | memory | disk | guest |
/// | --- | --- | --- | --- |
/// | a base VM is made (``BaseCreation``) | zeros | the user's own | boots |
/// | a base VM is resumed (``BaseResumption``) | the base's | an empty layer over the base's | goes on |
/// | synthesis (``Synthesizer``) | the base's and the overlay's | a layer with the overlay's pages | goes on |
/// | synthesis of a disk alone | zeros | a layer with the overlay's pages | boots |
/// | a warm VM (``WarmVM``) takes an overlay | the base's, then the overlay's | as in a synthesis | goes on |
///
/// To add a way, write a function that makes a launch and does all that is particular to the way inside of ``complete(_:)``:
/// fill `memory` and a layer, before or while ``startEmulator(on:waitingForState:_:_:)`` runs, or after it; end with
/// ``run(_:_:_:)``, which hands all over to a ``RunningVM``. Such a function releases nothing: whatever it throws, cancellation
/// included, `complete` gives everything back, in one place (``Hypervisor/tearDown(_:)``).
///
/// It is an object, not a noncopyable value with a `deinit`: the emulator is started by one task while another one fills the
/// memory, and its end has to be waited for.
final class VMLaunch: Sendable {
    private let hypervisor: Hypervisor
    private let description: MachineDescription
    /// The VM's name.
    let name: String
    /// The VM's scratch directory (0700). When this process dies, the next holder of the hypervisor's directory removes it.
    let directory: FilePath
    /// The VM's RAM, zeros at first.
    let memory: SharedMemory
    private let started = Mutex<Started?>(nil)

    private struct Started: Sendable {
        let machine: VirtualMachine
        let disk: FilePath
        var hasRun = false
    }

    /// What the VM has for a disk.
    enum Disk: Sendable {
        /// A raw file, to which the VM writes.
        case raw(FilePath)
        /// A layer over a raw file, which is only read.
        case layer(QCOW2Image)
    }

    /// Takes memory and a directory for a VM with this hardware.
    init(_ description: MachineDescription, on hypervisor: Hypervisor) throws(CloudletError) {
        self.hypervisor = hypervisor
        self.description = description
        memory = try SharedMemory(named: "cloudlet-ram", size: description.memoryBytes)
        name = hypervisor.newName()
        // Last: nothing after it can fail.
        directory = try hypervisor.makeDirectory(of: name)
    }

    /// Runs `body`, which brings the VM up or a step further. When it fails or is cancelled, all that the launch has taken by
    /// then is given back before this returns.
    func complete<Value>(
        _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        do throws(CloudletError) { return try await body() } catch {
            // The first error is the one to report; what could not be removed is found by the next holder.
            try? await tearDown()
            throw error
        }
    }

    /// Gives all back.
    func tearDown() async throws(CloudletError) { try await hypervisor.tearDown(name) }

    /// The VM, once its emulator was started.
    var machine: VirtualMachine {
        get throws(CloudletError) {
            guard let machine = started.withLock({ $0?.machine }) else {
                throw CloudletError(.defect, "the emulator of VM \(name) was not started")
            }
            return machine
        }
    }

    /// Whether the guest may have executed anything.
    var hasRun: Bool { started.withLock { $0?.hasRun ?? false } }

    /// Makes an empty layer over a base's disk.
    func layer(over base: OpenBase) throws(CloudletError) -> QCOW2Image {
        try QCOW2Image(
            directory.appending("disk.qcow2"), backing: base.record.files.disk, size: base.record.diskBytes)
    }

    /// Fills the memory with a base's RAM.
    func copyMemory(of base: OpenBase) async throws(CloudletError) {
        try await MemoryCopy.copy(0..<memory.size, from: base.snapshot.file, to: memory)
        try base.requireUnchangedMemory()
    }

    /// Starts the emulator, which executes nothing yet.
    /// - Parameters:
    ///   - disk: the VM's disk; a layer may be filled later.
    ///   - waitsForState: whether the guest will go on from a saved state; otherwise it will boot.
    ///   - options: display, network and discarding.
    ///   - times: notes the stage.
    /// - Throws: `CloudletError` with the reason; the launch may have taken an emulator all the same.
    func startEmulator(
        on disk: Disk, waitingForState waitsForState: Bool, _ options: VMOptions, _ times: StageTimes
    ) async throws(CloudletError) {
        let (path, format): (FilePath, VMResources.DiskFormat) =
            switch disk {
            case .raw(let path): (path, .raw)
            case .layer(let image): (image.path, .qcow2)
            }
        let resources = VMResources(
            name: name, disk: path, diskFormat: format, memoryPath: memory.path, waitsForState: waitsForState,
            options: options)
        let machine = try await times.measure(.startEmulator) { () async throws(CloudletError) in
            try await hypervisor.start(description, resources, paused: true)
        }
        started.withLock { $0 = Started(machine: machine, disk: path) }
    }

    /// How a guest comes to life.
    struct Guest: Sendable {
        /// The state it goes on from; `nil` when it boots.
        var state: SnapshotFile?
        /// What is known of the VM: the forwards stored with it above all.
        var description: VMDescription
        /// A guest port that answers when the application is ready.
        var readyPort: UInt16?

        /// A guest that goes on from a saved state.
        init(from state: SnapshotFile, readyPort: UInt16? = nil) {
            self.state = state
            description = state.description
            self.readyPort = readyPort
        }

        /// A guest that boots.
        init(booting description: VMDescription) {
            self.description = description
            readyPort = description.readyPort
        }
    }

    /// Brings the guest to life: loads its state, opens its forwards, lets it go on or boot, and waits until it runs and its
    /// application answers. When the task is cancelled or the emulator does not do its work in time, the VM is ended.
    /// - Returns: the VM, to which everything the launch has taken belongs from now on.
    /// - Throws: `CloudletError` with the reason.
    func run(_ guest: Guest, _ options: VMOptions, _ times: StageTimes) async throws(CloudletError) -> RunningVM {
        guard let (machine, disk) = started.withLock({ $0.map { ($0.machine, $0.disk) } }) else {
            throw CloudletError(.defect, "the emulator of VM \(name) was not started")
        }
        let timeout = options.readinessTimeout + (guest.state == nil ? Self.bootLimit : .zero)
        let (forwards, refresh) = try await machine.watched(within: Self.emulatorLimit + timeout) {
            () async throws(CloudletError) in
            let wanted = try options.forwarding.permitted(guest.description.forwards)
            let forwards = try await machine.load(guest.state, opening: wanted, options.forwarding, times)
            started.withLock { $0?.hasRun = true }
            let refresh = try await machine.run(
                stage: guest.state == nil ? .beginToBoot : .resume, readyOn: guest.readyPort, forwards,
                within: timeout, times, refreshing: guest.state?.description.guest)
            return (forwards, refresh)
        }
        return RunningVM(
            machine: machine, forwards: forwards, description: guest.description, disk: disk, memory: memory,
            refresh: refresh, directory: directory, hypervisor: hypervisor)
    }

    /// How long an emulator may take to bring a VM up, beside what its guest takes.
    private static let emulatorLimit = Duration.seconds(120)
    /// How long a guest may take to boot, beside what its application takes to answer.
    private static let bootLimit = Duration.seconds(120)
}
