// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem
import Synchronization
import SystemPackage

/// Brings up one VM, and owns the VM's resources until it runs: scratch directory, memory, disk and emulator.
///
/// There is one launch for every way of bringing up a VM. The ways differ in what they write into memory and disk, in
/// when the emulator starts, and in whether the guest is resumed from a saved state or boots:
///
/// | way | memory | disk | guest |
/// | --- | --- | --- | --- |
/// | a base VM is made (``BaseCreation``) | zeros | the user's own | boots |
/// | a base VM is resumed (``BaseResumption``) | the base's | an empty layer over the base's | is resumed |
/// | synthesis (``Synthesizer``) | the base's and the overlay's | a layer with the overlay's pages | is resumed |
/// | synthesis without memory, or of a state that can't be resumed | zeros | a layer with the overlay's pages | boots |
/// | a warm VM (``WarmVM``) receives an overlay | the base's, then the overlay's | as in a synthesis | is resumed |
///
/// To add a way, write a function that makes a launch and does all its own work inside ``complete(_:)``: fill `memory`
/// and a layer before, during or after ``startEmulator(on:waitingForState:completeCPU:_:_:)``, and end with
/// ``run(_:_:_:)``, which transfers all resources to a ``RunningVM``. Such a function releases nothing: when it throws,
/// also because of cancellation, `complete` releases everything in one place (``Hypervisor/abandon(_:)``).
///
/// It is a class, not a noncopyable value with a `deinit`, because one task starts the emulator while another one fills
/// the memory, and because ending the emulator is asynchronous.
final class VMLaunch: Sendable {
    private let hypervisor: Hypervisor
    /// The virtual hardware.
    let description: MachineDescription
    /// The VM's name.
    let name: String
    /// The VM's scratch directory (0700). If this process dies, the next process that uses the hypervisor's directory
    /// removes it.
    let directory: FilePath
    /// The VM's RAM, zeros at first.
    let memory: SharedMemory
    private let started = Mutex<Started?>(nil)

    private struct Started: Sendable {
        let machine: VirtualMachine
        let disk: FilePath
        var hasRun = false
    }

    /// The kind of the VM's disk.
    enum Disk: Sendable {
        /// A raw file, to which the VM writes.
        case raw(FilePath)
        /// The file of a layer over a raw file, which is only read.
        case layer(FilePath)
    }

    /// Allocates memory and a directory for a VM with this hardware.
    init(_ description: MachineDescription, on hypervisor: Hypervisor) throws(CloudletError) {
        self.hypervisor = hypervisor
        self.description = description
        memory = try SharedMemory(named: "cloudlet-ram", size: description.memoryBytes)
        name = hypervisor.newName()
        // The directory is made last, because no failure after it would remove it.
        directory = try hypervisor.makeDirectory(of: name)
    }

    /// Runs `body`, which brings the VM up, completely or in part. If it fails or is cancelled, all resources that the
    /// launch owns by then are released before this function returns.
    func complete<Value>(
        _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        do throws(CloudletError) { return try await body() } catch {
            // The first error is the one to report; the hypervisor's owner learns of a VM that can't be ended.
            await hypervisor.abandon(name)
            throw error
        }
    }

    /// Releases all resources of the launch.
    func tearDown() async throws(CloudletError) { try await hypervisor.tearDown(name) }

    /// Ends the emulator, frees the memory, and leaves the files.
    func endEmulator() async throws(CloudletError) {
        try await hypervisor.end(name)
        try memory.clear(0..<memory.size)
    }

    /// The VM, after its emulator was started.
    var machine: VirtualMachine {
        get throws(CloudletError) {
            guard let machine = started.withLock({ $0?.machine }) else {
                throw CloudletError(.defect, "the emulator of VM \(name) was not started")
            }
            return machine
        }
    }

    /// Whether the guest may have executed instructions.
    var hasRun: Bool { started.withLock { $0?.hasRun ?? false } }

    /// The file of the layer over a base's disk.
    var layerPath: FilePath { directory.appending("disk.qcow2") }

    /// Makes an empty qcow2 layer over a base's disk.
    func layer(over base: OpenBase) throws(CloudletError) -> QCOW2Image {
        try QCOW2Image(layerPath, backing: base.record.files.disk, size: base.record.diskBytes)
    }

    /// Copies a base's RAM into the memory.
    func copyMemory(of base: OpenBase) async throws(CloudletError) {
        try await MemoryCopy.copy(0..<memory.size, from: base.snapshot.file, to: memory)
        try base.requireUnchangedMemory()
    }

    /// Starts the emulator. The guest executes nothing yet.
    /// - Parameters:
    ///   - disk: the VM's disk; a layer may be filled later.
    ///   - waitsForState: whether the guest will be resumed from a saved state; otherwise it will boot.
    ///   - completeCPU: whether the VM must have all features of its CPU model.
    ///   - options: display, network and discarding.
    ///   - times: records the stage.
    /// - Throws: `CloudletError` with the reason. The launch may own an emulator even then.
    func startEmulator(
        on disk: Disk, waitingForState waitsForState: Bool, completeCPU: Bool = true, _ options: VMOptions,
        _ times: StageTimes
    ) async throws(CloudletError) {
        let (path, format): (FilePath, VMResources.DiskFormat) =
            switch disk {
            case .raw(let path): (path, .raw)
            case .layer(let path): (path, .qcow2)
            }
        let resources = VMResources(
            name: name, disk: path, diskFormat: format, memoryPath: memory.path, waitsForState: waitsForState,
            options: options,
            flash: try description.firmware.makeFlash(
                in: directory, for: description.machineType, boots: !waitsForState))
        let machine = try await times.measure(.startEmulator) { () async throws(CloudletError) in
            try await hypervisor.start(description, resources, paused: true, completeCPU: completeCPU)
        }
        started.withLock { $0 = Started(machine: machine, disk: path) }
    }

    /// How a guest begins to run.
    struct Guest: Sendable {
        /// The state from which it is resumed; `nil` when it boots.
        var state: SnapshotFile?
        /// The VM's description, above all the forwards stored with it.
        var description: VMDescription
        /// A guest port that answers when the application is ready.
        var readyPort: UInt16?
        /// Why the guest boots instead of running as it was saved, if that is so.
        var boot: BootCause?

        /// A guest that is resumed from a saved state.
        init(from state: SnapshotFile, readyPort: UInt16? = nil) {
            self.state = state
            description = state.description
            self.readyPort = readyPort
        }

        /// A guest that boots.
        init(booting description: VMDescription, because boot: BootCause? = nil) {
            self.description = description
            readyPort = description.readyPort
            self.boot = boot
        }
    }

    /// Starts the guest: loads its state, opens its forwards, resumes or boots it, and waits until it runs and its
    /// application answers. If the task is cancelled or the emulator exceeds its time limit, the VM is ended.
    /// - Returns: the VM, which owns all resources of the launch from now on.
    /// - Throws: `CloudletError` with the reason.
    func run(_ guest: Guest, _ options: VMOptions, _ times: StageTimes) async throws(CloudletError) -> RunningVM {
        guard let (machine, disk) = started.withLock({ $0.map { ($0.machine, $0.disk) } }) else {
            throw CloudletError(.defect, "the emulator of VM \(name) was not started")
        }
        let advice =
            guest.state == nil
            ? "check that the guest's boot starts the application"
            : "check that the application ran when the overlay was made"
        let timeout = options.readinessTimeout + (guest.state == nil ? Self.bootLimit : .zero)
        let (forwards, refresh) = try await machine.watched(within: Self.emulatorLimit + timeout) {
            () async throws(CloudletError) in
            let wanted = try options.forwarding.permitted(guest.description.forwards)
            do throws(CloudletError) {
                let forwards = try await machine.load(guest.state, opening: wanted, options.forwarding, times)
                started.withLock { $0?.hasRun = true }
                let refresh = try await machine.run(
                    stage: guest.state == nil ? .beginToBoot : .resume, readyOn: guest.readyPort, forwards,
                    within: timeout, advice: advice, times, refreshing: guest.state?.description)
                return (forwards, refresh)
            } catch {
                throw error.code == .unavailable ? await machine.explained(error) : error
            }
        }
        return RunningVM(
            machine: machine, forwards: forwards, description: guest.description, disk: disk, memory: memory,
            refresh: refresh, boot: guest.boot, directory: directory, hypervisor: hypervisor)
    }

    /// How long an emulator may take to bring a VM up, without the guest's own time.
    private static let emulatorLimit = Duration.seconds(120)
    /// How long a guest may take to boot, without the time until its application answers.
    private static let bootLimit = Duration.seconds(120)
}
