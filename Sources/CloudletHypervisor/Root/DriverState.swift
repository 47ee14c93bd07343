import CloudletCore
import CloudletMarkup
import CloudletSystem
import SystemPackage

/// What an embedded libvirt driver that died left about VMs that are gone.
///
/// A driver that finds a VM's status file connects to the emulator's monitor, for 30 seconds, as long as a process with
/// the emulator's number is there, and the VM can't be ended meanwhile. The number is 0 when the holder died before the
/// emulator ran, and may be another program's by now when the host (or its container) was started anew since.
struct DriverState: Sendable {
    private let root: FilePath
    private let name: FilePath

    /// The state of the driver with this root directory, which the driver that comes will know by `name`.
    init(root: FilePath, name: FilePath? = nil) {
        self.root = root
        self.name = name ?? root
    }

    /// Removes the status of VMs whose emulator is not there, and lets that of the others name the directory as it is
    /// named now: they were written under the path, or the process's number, of an earlier holder. No driver may run on the
    /// directory.
    /// - Returns: their names.
    /// - Throws: `CloudletError` when a file can't be removed.
    @discardableResult
    func removeStale() throws(CloudletError) -> [String] {
        let run = Self.statusDirectory(of: root)
        var removed: [String] = []
        for file in try Directory.names(in: run) where file.hasSuffix(".xml") {
            let name = String(file.dropLast(4))
            let text = try? Self.text(run.appending(file))
            let status = text.flatMap { try? MarkupParser().parse($0) }
            let place = status?.child("libDir")?.attributes["path"].map { FilePath($0) }
            let emulator = try EmulatorProcess.of(vm: name, files: run)
            if let emulator, let text, let place, status?.attributes["pid"] == String(emulator) {
                try rename(Self.root(of: place), in: text, of: run.appending(file))
                continue
            }
            // An emulator that no driver knows could never be ended again.
            try EmulatorProcess.kill(vm: name, files: run)
            if let directory = place?.lastComponent, directory.string.hasPrefix("domain-") {
                try FileSystem.remove(root.appending("lib").appending("qemu").appending(directory))
            }
            try FileSystem.remove(run.appending(file))
            removed.append(name)
        }
        return removed
    }

    /// Where the driver with this root directory keeps the status of VMs, and the numbers of their processes.
    static func statusDirectory(of root: FilePath) -> FilePath { root.appending("run").appending("qemu") }

    private static func text(_ path: FilePath) throws(CloudletError) -> String {
        let file = try File(path, .read)
        let limit = MarkupParser().maximumBytes
        return String(decoding: try file.read(min(try file.size(), limit), at: 0), as: UTF8.self)
    }

    /// The root of the driver that kept a VM's files in `place`, as it was named: `ROOT/lib/qemu/domain-NUMBER-NAME`.
    private static func root(of place: FilePath) -> FilePath {
        place.removingLastComponent().removingLastComponent().removingLastComponent()
    }

    /// Writes a status file anew with another name of the root.
    private func rename(_ old: FilePath, in text: String, of path: FilePath) throws(CloudletError) {
        guard old != name, old.isAbsolute, old != "/" else { return }
        let renamed = text.replacing("\(old.string.escapedForXML)/", with: "\(name.string.escapedForXML)/")
        let new = FilePath(path.string + ".new")
        try FileSystem.remove(new)
        try File(new, .create(permissions: 0o600)).write(Array(renamed.utf8), at: 0)
        try FileSystem.move(new, to: path)
    }
}
