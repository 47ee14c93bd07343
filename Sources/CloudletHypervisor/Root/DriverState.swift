// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup
import CloudletSystem
import SystemPackage

/// The status files that an embedded libvirt driver left behind when its process died.
///
/// When a driver finds a VM's status file, it connects to the emulator's monitor for up to 30 seconds while a process
/// with the emulator's number exists, and the VM can't be ended during that time. The number is 0 when the process died
/// before the emulator ran. After a restart of the host (or its container), it may belong to another program.
struct DriverState: Sendable {
    private let root: FilePath
    private let name: FilePath

    /// The state of the driver with this root directory; the next driver will use the path `name` for it.
    init(root: FilePath, name: FilePath? = nil) {
        self.root = root
        self.name = name ?? root
    }

    /// Removes the status of VMs whose emulator does not run. In the status of the others, replaces the directory's
    /// path by its current one: they contain the path, or the process number, of an earlier process. No driver may run
    /// on the directory.
    /// - Returns: the names of the VMs whose status was removed.
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
            // An emulator without a status file is unknown to every driver and could never be ended.
            try EmulatorProcess.kill(vm: name, files: run)
            if let directory = place?.lastComponent, directory.string.hasPrefix("domain-") {
                try FileSystem.remove(root.appending("lib").appending("qemu").appending(directory))
            }
            try FileSystem.remove(run.appending(file))
            removed.append(name)
        }
        return removed
    }

    /// The directory in which the driver with this root directory stores the status and process numbers of its VMs.
    static func statusDirectory(of root: FilePath) -> FilePath { root.appending("run").appending("qemu") }

    private static func text(_ path: FilePath) throws(CloudletError) -> String {
        let file = try File(path, .read)
        let limit = MarkupParser().maximumBytes
        return String(decoding: try file.read(min(try file.size(), limit), at: 0), as: UTF8.self)
    }

    /// The root path of the driver that stored a VM's files in `place`, which is `ROOT/lib/qemu/domain-NUMBER-NAME`.
    private static func root(of place: FilePath) -> FilePath {
        place.removingLastComponent().removingLastComponent().removingLastComponent()
    }

    /// Writes a new status file with another root path.
    private func rename(_ old: FilePath, in text: String, of path: FilePath) throws(CloudletError) {
        guard old != name, old.isAbsolute, old != "/" else { return }
        let renamed = text.replacing("\(old.string.escapedForXML)/", with: "\(name.string.escapedForXML)/")
        let new = FilePath(path.string + ".new")
        try FileSystem.remove(new)
        try File(new, .create(permissions: 0o600)).write(Array(renamed.utf8), at: 0)
        try FileSystem.move(new, to: path)
    }
}
