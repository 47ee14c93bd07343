package import CloudletCore
package import CloudletHypervisor
import CloudletStore
import CloudletSystem

/// Resumes a base VM as it was saved, on a copy of its memory and an empty image over its disk: the start of every
/// overlay. The base's files are only read.
package struct BaseResumption: Sendable {
    private let hypervisor: Hypervisor

    /// What the VM gets beside its machine.
    package struct Options: Sendable {
        /// Ports of the host that lead into the VM.
        package var forwards: [PortForward] = []
        /// Address of the host on which they listen.
        package var forwardAddress = "127.0.0.1"
        /// Whether there is a VNC display.
        package var display = false
        /// Whether the guest may reach other hosts.
        package var outboundNetwork = false
        /// Whether blocks the guest discards are freed.
        package var discards = true

        /// No forwards, no display, no network.
        package init() {}
    }

    /// Uses this hypervisor.
    package init(hypervisor: Hypervisor) {
        self.hypervisor = hypervisor
    }

    /// Brings the base's VM to where it was saved, and lets it run on.
    package func resume(_ base: OpenBase, _ options: Options, times: StageTimes) async throws(CloudletError)
        -> RunningVM
    {
        try VMResources.requireAnswers(options.forwards, outboundNetwork: options.outboundNetwork)
        let work = try WorkDirectory(on: hypervisor)
        var cleanup = VMCleanup(work)
        do throws(CloudletError) {
            let description = base.snapshot.description
            let memory = try SharedMemory(named: "cloudlet-ram", size: base.machine.memoryBytes)
            let disk = work.file("disk.qcow2")
            _ = try QCOW2Image(disk, backing: base.record.files.disk, size: base.record.diskBytes)
            try await times.measure(.copyMemory) { () async throws(CloudletError) in
                try await MemoryCopy.copy(0..<memory.size, from: base.snapshot.file, to: memory)
                try base.requireUnchangedMemory()
            }
            var resources = VMResources(
                name: work.vmName, disk: disk, diskFormat: .qcow2, memoryPath: memory.path,
                waitsForState: true, display: options.display, outboundNetwork: options.outboundNetwork)
            resources.discards = options.discards
            let machine = try await times.measure(.startEmulator) { () async throws(CloudletError) in
                try await hypervisor.start(base.machine, resources)
            }
            cleanup.started(machine)
            let (forwards, refresh) = try await machine.watched(within: Synthesizer.resumeLimit) {
                () async throws(CloudletError) in
                let forwards = try await machine.load(
                    base.snapshot, opening: options.forwards, on: options.forwardAddress,
                    wayOut: "choose another with -redir", times: times)
                try await times.measure(.resume) { () async throws(CloudletError) in try await machine.resume() }
                return (forwards, await machine.refreshGuest(description.guest))
            }
            return RunningVM(
                machine: machine, forwards: forwards, description: description, disk: disk, memory: memory,
                refresh: refresh, work: work)
        } catch {
            await cleanup.run()
            throw error
        }
    }
}

extension VirtualMachine {
    /// Loads the device state of a waiting VM, and opens its forwards meanwhile.
    /// - Parameters:
    ///   - snapshot: holds the device state.
    ///   - forwards: the forwards wanted.
    ///   - address: the address of the host to listen on.
    ///   - movingTaken: whether a forward whose host port is taken is opened on a free one.
    ///   - wayOut: what else the user can do when a port is taken.
    ///   - times: notes the stage.
    /// - Returns: the forwards in force, in the order wanted.
    /// - Throws: `CloudletError` when the state can't be loaded, or a forward can't be opened.
    func load(
        _ snapshot: SnapshotFile, opening forwards: [PortForward], on address: String, movingTaken: Bool = false,
        wayOut: String? = nil, times: StageTimes
    ) async throws(CloudletError) -> [ActiveForward] {
        try await concurrently(
            { () async throws(CloudletError) in
                try await times.measure(.loadState) { () async throws(CloudletError) in
                    try await self.loadState(of: snapshot)
                }
            },
            { () async throws(CloudletError) in
                try await self.addForwards(forwards, on: address, movingTaken: movingTaken, wayOut: wayOut)
            }
        ).1
    }

    /// Opens several forwards; when one can't be opened, those before it are closed with the VM.
    /// - Parameters:
    ///   - forwards: the forwards wanted.
    ///   - address: the address of the host to listen on.
    ///   - movingTaken: whether a forward whose host port is taken is opened on a free one.
    ///   - wayOut: what else the user can do when a port is taken.
    /// - Returns: the forwards in force, in the order wanted.
    /// - Throws: `CloudletError.busy` when a port is taken.
    func addForwards(
        _ forwards: [PortForward], on address: String, movingTaken: Bool = false, wayOut: String? = nil
    ) throws(CloudletError) -> [ActiveForward] {
        do throws(CloudletError) {
            return try forwards.map { (forward) throws(CloudletError) in
                try addForward(forward, on: address, movingTaken: movingTaken)
            }
        } catch {
            guard error.code == .busy, let wayOut, let advice = error.advice else { throw error }
            throw CloudletError(error.code, error.message, advice: "\(advice), or \(wayOut)", cause: error.cause)
        }
    }
}
