import CloudletHypervisor
import CloudletStore
import CloudletSystem

extension BaseVM {
    /// Bytes of the host's memory that a VM on this base takes, as far as the files of the base tell.
    var hostBytes: Int {
        let snapshot = (try? File(files.memory, .read)).flatMap { try? SnapshotFile($0) }
        let accelerator = MachineDescription.Accelerator(rawValue: accelerator) ?? .tcg
        let machine =
            snapshot?.description.machine
            ?? MachineDescription(memoryMiB: memoryBytes >> 20, accelerator: accelerator)
        return machine.hostBytes
    }
}
