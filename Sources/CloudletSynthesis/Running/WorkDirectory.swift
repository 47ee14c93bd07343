import CloudletCore
import CloudletHypervisor
import CloudletSystem
import SystemPackage

/// The scratch directory of one VM (0700), named after it. One that is left by a crash is removed with the VM by the
/// next holder of the hypervisor's directory.
struct WorkDirectory: Sendable {
    /// The VM's name.
    let vmName: String
    /// The directory.
    let path: FilePath

    /// Makes the directory for a new VM.
    init(on hypervisor: Hypervisor) throws(CloudletError) {
        vmName = hypervisor.newName()
        path = hypervisor.workDirectory.appending(vmName)
        try Directory.create(path, permissions: 0o700)
    }

    /// A path inside the directory.
    func file(_ name: String) -> FilePath { path.appending(name) }

    /// Removes the directory and all it holds.
    func remove() throws(CloudletError) { try FileSystem.remove(path) }
}
