import CloudletCore
import CloudletMarkup
import CloudletSystem
import SystemPackage

/// What an embedded libvirt driver that died left about VMs that are gone.
///
/// A driver that finds a VM's status file connects to the emulator's monitor, for 30 seconds, as long as a process with
/// the emulator's number is there, and lets nobody end the VM meanwhile. The number is 0 when the holder died before the
/// emulator ran, and may be another program's by now when the host (or its container) was started anew since.
struct DriverState: Sendable {
    private let root: FilePath

    /// The state of the driver with this root directory.
    init(root: FilePath) { self.root = root }

    /// Removes the status of VMs whose emulator is not there. No driver may run on the directory.
    /// - Returns: their names.
    /// - Throws: `CloudletError` when a file can't be removed.
    @discardableResult
    func removeStale() throws(CloudletError) -> [String] {
        let run = Self.statusDirectory(of: root)
        var removed: [String] = []
        for file in try Directory.names(in: run) where file.hasSuffix(".xml") {
            let name = String(file.dropLast(4))
            let status = try? Self.status(run.appending(file))
            let emulator = try EmulatorProcess.of(vm: name, files: run)
            if let emulator, status?.attributes["pid"] == String(emulator) { continue }
            // Known to nobody, an emulator could never be ended again.
            try EmulatorProcess.kill(vm: name, files: run)
            if let directory = status?.child("libDir")?.attributes["path"].map({ FilePath($0) }),
                directory.starts(with: root.appending("lib"))
            {
                try Directory.remove(directory)
            }
            try Directory.remove(run.appending(file))
            removed.append(name)
        }
        return removed
    }

    /// Where the driver with this root directory keeps the status of VMs, and the numbers of their processes.
    static func statusDirectory(of root: FilePath) -> FilePath { root.appending("run").appending("qemu") }

    private static func status(_ path: FilePath) throws(CloudletError) -> MarkupElement {
        let file = try File(path, .read)
        let limit = MarkupParser().maximumBytes
        return try MarkupParser().parse(try file.read(min(try file.size(), limit), at: 0))
    }
}
