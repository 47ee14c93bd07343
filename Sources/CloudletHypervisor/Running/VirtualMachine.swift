package import CloudletCore
import CloudletSystem
import Synchronization
import SystemPackage

/// A running (or paused, or waiting) VM. Its operations run one after another on a queue of their own; ending it is
/// safe at any time and more than once.
package actor VirtualMachine {
    /// The VM as libvirt knows it.
    nonisolated let domain: LibvirtDomain
    let log: FilePath?
    /// Whether the host's memory was used up lately.
    let shortage: MemoryShortage
    /// What looks after the VM; it must last as long as the VM does.
    private let care: any AnyObject & Sendable
    private let executor: QueueExecutor
    /// The emulator's process, where it could be found.
    private(set) var process: Int32?
    /// Whether the VM was paused on purpose.
    private var isHeld = false
    /// Whether somebody asked for its end.
    nonisolated let isBeingEnded = Atomic(false)
    /// Where a waiting VM takes its device state from.
    var stateStream: File?
    /// Threads of the virtual CPUs, once they were asked for.
    var knownVirtualCPUs: [Int]?

    /// The domain's name.
    package nonisolated let name: String
    /// The virtual hardware.
    package nonisolated let machine: MachineDescription
    /// Its files and options.
    nonisolated let resources: VMResources

    /// Jobs run on the VM's own queue: libvirt's calls block.
    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    init(
        _ domain: LibvirtDomain, machine: MachineDescription, _ resources: VMResources, log: FilePath?,
        shortage: MemoryShortage, keeping care: any AnyObject & Sendable
    ) {
        self.domain = domain
        self.machine = machine
        self.resources = resources
        self.log = log
        (self.shortage, self.care) = (shortage, care)
        name = domain.name
        executor = QueueExecutor(label: "cloudlet-vm-\(domain.name)")
    }

    /// Whether the emulator is still there.
    package var isActive: Bool { domain.isActive }

    /// Whether the virtual CPUs run, as libvirt and QEMU both see it.
    package func isRunning() throws(CloudletError) -> Bool {
        struct Status: Decodable { let running: Bool }
        guard try domain.state() == .running else { return false }
        return try query("query-status", as: Status.self).running
    }

    /// Whether the emulator is there and waits for device state. It is asked itself: libvirt may not know yet that it died.
    package var isWaitingForState: Bool {
        struct Status: Decodable { let status: String }
        return (try? query("query-status", as: Status.self).status) == "inmigrate"
    }

    /// Stops the virtual CPUs; QEMU writes back what it caches of the disk. A guest that sleeps is woken up before: its
    /// state can't be saved as long as it does.
    package func pause() async throws(CloudletError) {
        try await wakeUp()
        isHeld = true
        try domain.suspend()
    }

    /// Wakes the guest up if it sleeps (ACPI S3), which a person who works in it may have let it do.
    package func wakeUp() async throws(CloudletError) {
        guard try domain.state() == .asleep else { return }
        do throws(CloudletError) { try domain.wakeUp() } catch {
            // The care for the holder's VMs may have done it just before.
            if try domain.state() == .asleep { throw error }
        }
        let isAwake = try await wait(within: .seconds(10)) { () throws(CloudletError) in
            try domain.state() == .running
        }
        guard isAwake else {
            throw CloudletError(
                .unavailable, "the guest of VM \(name) sleeps and can't be woken up",
                advice: "don't let it suspend before its state is saved")
        }
    }

    /// Lets the virtual CPUs run.
    package func resume() async throws(CloudletError) {
        isHeld = false
        do { try domain.resume() } catch { throw await explained(error) }
    }

    /// Lets a VM run on that stood still by itself, unless it was paused on purpose meanwhile.
    func goOn() throws(CloudletError) {
        if !isHeld { try domain.resume() }
    }

    /// Waits until `condition` holds; it is asked at once, after each change in the VM's life, and when the time is over.
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

    /// Finds out which process the emulator is, so that its end can be explained.
    func findProcess() {
        process = try? processID()
        if let process { ChildReaper.shared.forget(process) }
    }

    /// Port of 127.0.0.1 on which the VNC display answers, if the VM has one.
    package func displayPort() throws(CloudletError) -> UInt16? {
        try DomainDescriptionReader.vncPort(in: domain.description())
    }
}
