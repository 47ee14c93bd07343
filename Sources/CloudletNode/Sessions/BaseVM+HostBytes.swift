import CloudletHypervisor
import CloudletStore
import CloudletSystem

extension BaseVM {
    /// The memory of the host that a VM of this base needs, in bytes, as far as it can be known from the base's files.
    var hostBytes: Int {
        let snapshot = (try? File(files.memory, .read)).flatMap { try? SnapshotFile($0) }
        let accelerator = MachineDescription.Accelerator(rawValue: accelerator) ?? .tcg
        let machine =
            snapshot?.description.machine
            ?? MachineDescription(memoryMiB: memoryBytes >> 20, accelerator: accelerator)
        return machine.hostBytes
    }
}
