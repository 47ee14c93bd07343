// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Synchronization
import SystemPackage

/// A VM that runs, is paused, or waits for a state. Its operations run one after another on a queue of its own. It can
/// be ended at any time and more than once.
package actor VirtualMachine {
    /// The VM's libvirt domain.
    nonisolated let domain: LibvirtDomain
    nonisolated let log: FilePath?
    /// Checks whether the host's memory was recently used up.
    let shortage: MemoryShortage
    /// Reports an incident.
    nonisolated let note: @Sendable (VMIncident) -> Void
    /// The watch of the process's VMs. It must exist as long as this VM.
    private let care: any AnyObject & Sendable
    /// The VM's scratch directory.
    nonisolated let directory: FilePath
    private let executor: QueueExecutor
    /// The emulator's process, if it was found.
    private(set) var process: Int32?
    /// Whether the VM was paused on purpose.
    private var isHeld = false
    /// Whether this program has been asked to end the VM.
    nonisolated let isBeingEnded = Atomic(false)
    /// The stream for the device state of a waiting VM.
    var stateStream: File?
    /// The channel to the guest's agent, if the machine has one.
    var agentChannel: AgentChannel?
    /// The virtual CPUs, after they were queried.
    var knownVirtualCPUs: [VirtualCPU]?

    /// The domain's name.
    package nonisolated let name: String
    /// The virtual hardware.
    package nonisolated let machine: MachineDescription
    /// Its files and options.
    nonisolated let resources: VMResources

    /// Jobs run on the VM's own queue: libvirt's calls block.
    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    init(
        _ domain: LibvirtDomain, machine: MachineDescription, _ resources: VMResources, in directory: FilePath,
        log: FilePath?, shortage: MemoryShortage, note: @escaping @Sendable (VMIncident) -> Void,
        keeping care: any AnyObject & Sendable
    ) {
        self.domain = domain
        self.machine = machine
        self.resources = resources
        self.log = log
        (self.directory, self.shortage, self.note, self.care) = (directory, shortage, note, care)
        name = domain.name
        executor = QueueExecutor(label: "cloudlet-vm-\(domain.name)")
    }

    /// Whether the emulator still runs.
    package var isActive: Bool { domain.isActive }

    /// Whether the virtual CPUs run according to both libvirt and QEMU.
    package func isRunning() throws(CloudletError) -> Bool {
        struct Status: Decodable { let running: Bool }
        guard try domain.state() == .running else { return false }
        return try query("query-status", as: Status.self).running
    }

    /// Whether the emulator runs and waits for device state. Asks QEMU, because libvirt may not know yet that it ended.
    package var isWaitingForState: Bool {
        struct Status: Decodable { let status: String }
        return (try? query("query-status", as: Status.self).status) == "inmigrate"
    }

    /// Stops the virtual CPUs, and QEMU writes its cached disk data. A sleeping guest is woken up before, because its
    /// state can't be saved while it sleeps.
    package func pause() async throws(CloudletError) {
        try await wakeUp()
        isHeld = true
        try domain.suspend()
    }

    /// Wakes up the guest if it sleeps (ACPI S3), for example because its user suspended it.
    package func wakeUp() async throws(CloudletError) {
        guard try domain.state() == .asleep else { return }
        do throws(CloudletError) { try domain.wakeUp() } catch {
            // The watch of the VMs may have woken it up just before.
            if try domain.state() == .asleep { throw error }
        }
        let isAwake = try await wait(within: .seconds(10)) { () throws(CloudletError) in
            try domain.state() == .running
        }
        guard isAwake else {
            throw CloudletError(
                .unavailable, "the guest of VM \(name) sleeps, and can't be woken up",
                advice: "don't let it suspend before its state is saved")
        }
    }

    /// Lets the virtual CPUs run.
    package func resume() async throws(CloudletError) {
        isHeld = false
        do { try domain.resume() } catch { throw await explained(error) }
    }

    /// Resumes a VM that QEMU has paused, unless it has meanwhile been paused on purpose.
    func goOn() throws(CloudletError) {
        if !isHeld { try domain.resume() }
    }

    /// Waits until `condition` is true. Evaluates it at once, after each lifecycle event, and when the time is over.
    /// - Returns: `false` when the time was over first.
    func wait(
        within limit: Duration, until condition: () async throws(CloudletError) -> Bool
    ) async throws(CloudletError) -> Bool {
        try await domain.connection.events.wait(for: name, within: limit) { event in
            if case .lifecycle = event { true } else { false }
        } until: {
            () async throws(CloudletError) in
            try await condition()
        }
    }

    /// Finds the emulator's process, so that its end can be explained.
    func findProcess() {
        process = try? processID()
        if let process { ChildReaper.shared.forget(process) }
    }

    /// Port of 127.0.0.1 for the VNC display, if the VM has one.
    package func displayPort() throws(CloudletError) -> UInt16? {
        try DomainDescriptionReader.vncPort(in: domain.description())
    }
}
