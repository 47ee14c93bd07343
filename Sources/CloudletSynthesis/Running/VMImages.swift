import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem
import SystemPackage

/// What a VM on a base runs on: its memory, zeros at first, and its disk, an empty image over the base's.
struct VMImages: Sendable {
    let memory: SharedMemory
    let disk: QCOW2Image
    /// The scratch directory of the VM.
    let directory: FilePath

    /// Makes them, their files in a scratch directory.
    init(_ base: OpenBase, in directory: FilePath) throws(CloudletError) {
        self.directory = directory
        memory = try SharedMemory(named: "cloudlet-ram", size: base.machine.memoryBytes)
        disk = try QCOW2Image(
            directory.appending("disk.qcow2"), backing: base.record.files.disk, size: base.record.diskBytes)
    }
}
