package import CloudletCore
package import CloudletHypervisor
package import CloudletSystem
package import SystemPackage

/// A VM that runs, with all that belongs to it: its memory, its disk, its forwards and its scratch directory. The holder
/// must end it.
package final class RunningVM: Sendable {
    /// The VM.
    package let machine: VirtualMachine
    /// The forwards in force.
    package let forwards: [ActiveForward]
    /// What the snapshot it was resumed from says.
    package let description: VMDescription
    /// Its disk: a qcow2 image over a base's, or the raw disk of a base VM that is being made.
    package let disk: FilePath
    /// Its RAM.
    package let memory: SharedMemory
    /// What was done for the guest when it went on.
    package let refresh: GuestRefresh
    private let directory: FilePath
    private let hypervisor: Hypervisor

    init(
        machine: VirtualMachine, forwards: [ActiveForward], description: VMDescription, disk: FilePath,
        memory: SharedMemory, refresh: GuestRefresh, directory: FilePath, hypervisor: Hypervisor
    ) {
        self.machine = machine
        self.forwards = forwards
        self.description = description
        self.disk = disk
        self.memory = memory
        self.refresh = refresh
        self.directory = directory
        self.hypervisor = hypervisor
    }

    /// Runs `body` and ends the VM afterwards, however `body` ends.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, or `CloudletError` when the VM can't be ended.
    package func endingAfter<Value>(
        _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        let value: Value
        do throws(CloudletError) { value = try await body() } catch {
            try? await end()
            throw error
        }
        try await end()
        return value
    }

    /// Marks the VM as one that goes on without this process; `uri` is the libvirt daemon it runs under, if any.
    package func detach(uri: String?) async throws(CloudletError) {
        try DetachedVM.mark(
            directory, process: try await machine.processID(), uri: uri,
            forwards: forwards.map { "\($0.address) \($0.forward)" })
    }

    /// Ends the VM and removes what it left. Safe to call more than once.
    package func end() async throws(CloudletError) { try await hypervisor.tearDown(machine.name) }
}
