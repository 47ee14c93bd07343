package import CloudletCore
package import CloudletHypervisor
package import CloudletSystem
package import SystemPackage

/// A VM that runs on a base, with all that belongs to it: its memory, its disk, its forwards and its scratch
/// directory. Whoever holds one must end it.
package final class RunningVM: Sendable {
    /// The VM.
    package let machine: VirtualMachine
    /// The forwards in force.
    package let forwards: [ActiveForward]
    /// What the snapshot it was resumed from says.
    package let description: VMDescription
    /// Its disk, a qcow2 image over the base.
    package let disk: FilePath
    /// Its RAM.
    package let memory: SharedMemory
    /// What was done for the guest when it went on.
    package let refresh: GuestRefresh
    private let work: WorkDirectory

    init(
        machine: VirtualMachine, forwards: [ActiveForward], description: VMDescription, disk: FilePath,
        memory: SharedMemory, refresh: GuestRefresh, work: WorkDirectory
    ) {
        self.machine = machine
        self.forwards = forwards
        self.description = description
        self.disk = disk
        self.memory = memory
        self.refresh = refresh
        self.work = work
    }

    /// Marks the VM as one that goes on without this process; `uri` is the libvirt daemon it runs under, if any.
    package func detach(uri: String?) async throws(CloudletError) {
        try DetachedVM.mark(
            work.path, process: try await machine.processID(), uri: uri,
            forwards: forwards.map { "\($0.address) \($0.forward)" })
    }

    /// Ends the VM and removes what it left. Safe to call more than once.
    package func end() async throws(CloudletError) {
        try await machine.destroy()
        try work.remove()
    }
}

/// Collects what has to be undone when a VM can't be brought up, and undoes it in reverse.
struct VMCleanup {
    private(set) var machine: VirtualMachine?
    private let work: WorkDirectory

    init(_ work: WorkDirectory) { self.work = work }

    mutating func started(_ machine: VirtualMachine) { self.machine = machine }

    /// Ends what was started. Errors here are of no use to anybody: the one that led here is thrown.
    func run() async {
        try? await machine?.destroy()
        try? work.remove()
    }
}
