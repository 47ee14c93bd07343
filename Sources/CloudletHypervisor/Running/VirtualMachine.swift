package import CloudletCore
import CloudletSystem
import Synchronization
import SystemPackage

/// A running (or paused, or waiting) VM. Its operations run one after another on a queue of their own; ending it is
/// safe at any time and more than once.
package actor VirtualMachine {
    private let domain: LibvirtDomain
    private let connection: LibvirtConnection
    private let log: FilePath?
    private let care: VMCare.Running
    private let executor: QueueExecutor
    /// The emulator's process, where it could be found.
    private var process: Int32?
    /// Whether the VM was paused on purpose.
    private var isHeld = false
    private nonisolated let isBeingEnded = Atomic(false)
    /// Where a waiting VM takes its device state from.
    private var stateStream: File?
    /// Threads of the virtual CPUs, once they were asked for.
    var knownVirtualCPUs: [Int]?

    /// The guest's agent, if the guest has one.
    nonisolated var agent: GuestAgent { GuestAgent(domain) }
    /// The domain's name.
    package nonisolated let name: String
    /// The virtual hardware.
    package nonisolated let machine: MachineDescription
    /// Where its disk lies.
    nonisolated let diskDirectory: FilePath
    /// Whether the guest may open connections to anything outside.
    nonisolated let hasOutboundNetwork: Bool

    /// Jobs run on the VM's own queue: libvirt's calls block.
    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    init(
        _ domain: LibvirtDomain, of connection: LibvirtConnection, machine: MachineDescription,
        _ resources: VMResources,
        log: FilePath?, care: VMCare.Running
    ) {
        self.domain = domain
        self.connection = connection
        self.machine = machine
        self.log = log
        self.care = care
        diskDirectory = resources.disk.removingLastComponent()
        hasOutboundNetwork = resources.outboundNetwork
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
            // Who looks after it may have done it just before.
            if try domain.state() == .asleep { throw error }
        }
        let isAwake = try await poll(every: .milliseconds(20), for: .seconds(10)) { () throws(CloudletError) in
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

    /// Finds out which process the emulator is, so that its end can be explained.
    func findProcess() {
        process = try? processID()
        if let process { ChildReaper.shared.forget(process) }
    }

    /// Asks the guest to shut down; whether and when it does is its own affair.
    package func pressPowerButton() throws(CloudletError) { try command("system_powerdown", Nothing()) }

    /// Ends the VM at once, also while an operation waits for an emulator that doesn't answer; the operation fails then.
    package nonisolated func destroy() async throws(CloudletError) {
        isBeingEnded.store(true, ordering: .sequentiallyConsistent)
        try await domain.end()
    }

    /// Waits until the VM has ended by itself or was ended.
    /// - Returns: the reason when its emulator failed: it crashed, or was killed by the kernel or by others. `nil` when the
    ///   guest was shut down, the VM was ended as wished, or the task was cancelled.
    package nonisolated func waitForEnd() async -> CloudletError? {
        let end = await connection.end(of: name) { await isActive }
        guard let end, !Task.isCancelled, !isBeingEnded.load(ordering: .sequentiallyConsistent) else { return nil }
        return await failure(isFailure: end.isFailure)
    }

    /// Why the emulator is gone, when that is nobody's wish.
    private func failure(isFailure: Bool) async -> CloudletError? {
        var end: ProcessEnd?
        if let process {
            // libvirt may know of it before the process is taken from the system's table.
            _ = try? await poll(every: .milliseconds(5), upTo: .milliseconds(50), for: .milliseconds(500)) {
                () throws(CloudletError) in
                end = ChildReaper.shared.end(of: process)
                return end != nil
            }
        }
        return EmulatorFailure(
            end: end, isFailure: isFailure, memoryWasShort: care.care.shortage.isRecent,
            words: log.flatMap { EmulatorLog.lastWords(in: $0) }
        ).error
    }

    /// Port of 127.0.0.1 on which the VNC display answers, if the VM has one.
    package func displayPort() throws(CloudletError) -> UInt16? {
        try DomainDescriptionReader.vncPort(in: domain.description())
    }

    /// The device state of a paused VM, taken through QEMU's migration code with the RAM left where it is. When the task
    /// is cancelled meanwhile, or QEMU does not answer, the VM is ended.
    package nonisolated func saveState() async throws(CloudletError) -> [UInt8] {
        try await watched(within: .seconds(120)) { () async throws(CloudletError) in try await takeState() }
    }

    private func takeState() async throws(CloudletError) -> [UInt8] {
        try command("migrate-set-capabilities", MigrationCapabilities.ignoreShared)
        try command("migrate-set-parameters", MigrationParameters.unbounded)
        let input = try passStream()
        async let state = blocking { () throws(CloudletError) in
            try input.readToEnd(limit: SnapshotLayout.maximumState)
        }
        try command("migrate", URIArgument(uri: "fd:\(Self.streamName)"))
        try await waitForMigration("saving the device state")
        do { return try await state } catch { throw .wrapping(error, .io, "can't read the device state") }
    }

    /// Lets a VM that was started to wait for device state listen for it, so that nothing is left to arrange when it comes.
    /// When this process ends, the emulator sees the end of the stream and ends, too.
    func listenForState() throws(CloudletError) {
        _ = try virtualCPUs()
        try command("migrate-set-capabilities", MigrationCapabilities.ignoreShared)
        try command("migrate-set-parameters", MigrationParameters.quiet)
        let stream = try passStream()
        try command("migrate-incoming", URIArgument(uri: "fd:\(Self.streamName)"))
        stateStream = stream
    }

    /// Gives a waiting VM its device state; its RAM must be complete. The VM is paused afterwards.
    package func loadState(of snapshot: SnapshotFile) async throws(CloudletError) {
        try await loadState { (stream) throws(CloudletError) in
            try snapshot.forEachPieceOfState { (piece) throws(CloudletError) in try stream.writeAll(piece) }
        }
    }

    /// Gives a waiting VM the device state that `write` writes.
    func loadState(
        _ write: @escaping @Sendable (File) throws(CloudletError) -> Void
    ) async throws(CloudletError) {
        try await send(write)
        try await waitForMigration("loading the device state")
    }

    /// Sends what `write` writes. The stream ends with this function, which alone holds it, so that the emulator does not
    /// wait for more when the state is cut short.
    private func send(
        _ write: @escaping @Sendable (File) throws(CloudletError) -> Void
    ) async throws(CloudletError) {
        guard let stream = stateStream.take() else {
            throw CloudletError(.defect, "VM \(name) does not wait for device state")
        }
        do throws(CloudletError) {
            try await blocking { () throws(CloudletError) in try write(stream) }
        } catch {
            throw await explained(error)
        }
    }

    private func waitForMigration(_ what: String) async throws(CloudletError) {
        var failure: CloudletError?
        // QEMU's monitor reads a byte at a time: questions are dear.
        let done = try await poll(every: .milliseconds(3), upTo: .milliseconds(30), for: .seconds(60)) {
            () throws(CloudletError) in
            let status: MigrationStatus
            do throws(CloudletError) { status = try query("query-migrate", as: MigrationStatus.self) } catch {
                throw await explained(error)
            }
            if status.status == "failed" || status.status == "cancelled" {
                failure = await explained(
                    CloudletError(.unavailable, "\(what) failed\(status.errorText.map { ": " + $0 } ?? "")"))
            }
            return status.status == "completed" || failure != nil
        }
        if let failure { throw failure }
        if !done { throw CloudletError(.unavailable, "\(what) did not end within 60 s") }
    }

    private static let streamName = "cloudlet-state"

    /// Gives QEMU one end of a stream, by the name `streamName`.
    /// - Returns: the other end.
    private func passStream() throws(CloudletError) -> File {
        let pair = try SocketPair()
        try command("getfd", DescriptorName(fdname: Self.streamName), descriptors: [pair.theirs.descriptor])
        return pair.ours
    }

    // MARK: - Monitor

    /// Sends a command whose result doesn't matter.
    func command(
        _ name: String, _ arguments: some Encodable, descriptors: [Int32] = []
    ) throws(CloudletError) {
        let text = try MonitorCommand(execute: name, arguments: arguments).text()
        let answer = try domain.monitor(text, descriptors: descriptors)
        _ = try MonitorAnswer<Nothing>.value(of: answer, command: name)
    }

    /// Sends a command without arguments and reads its result.
    func query<Value: Decodable>(_ name: String, as type: Value.Type) throws(CloudletError) -> Value {
        let text = try MonitorCommand(execute: name, arguments: Nothing()).text()
        return try MonitorAnswer<Value>.value(of: try domain.monitor(text), command: name)
    }

    /// Sends a command of the human monitor and reads what it prints.
    func human(_ line: String) throws(CloudletError) -> String {
        let text = try MonitorCommand(
            execute: "human-monitor-command", arguments: HumanCommand(commandLine: line)
        ).text()
        return try MonitorAnswer<String>.value(of: try domain.monitor(text), command: line)
    }

    /// The error with QEMU's own last words, when it died over it. libvirt learns of that a moment later than those who
    /// wait for an answer.
    private func explained(_ error: CloudletError) async -> CloudletError {
        let hasEnded = try? await poll(every: .milliseconds(5), upTo: .milliseconds(50), for: .milliseconds(500)) {
            () throws(CloudletError) in !domain.isActive
        }
        guard hasEnded == true, !isBeingEnded.load(ordering: .sequentiallyConsistent),
            let failure = await failure(isFailure: true)
        else { return error }
        return CloudletError(
            error.code, failure.message, advice: failure.advice ?? error.advice, cause: error)
    }
}
