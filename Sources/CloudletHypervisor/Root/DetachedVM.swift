// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Glibc
package import SystemPackage

/// A VM that the command that made it left running on purpose. A file in its scratch directory marks it.
package struct DetachedVM: Hashable, Sendable {
    static let workName = "work"

    /// The VM's name.
    package let name: String
    /// The emulator's process.
    package let process: Int32
    /// The libvirt daemon that runs it; `nil` if a driver in the process that made it ran it.
    package let uri: String?
    /// Its forwards, as text.
    package let forwards: [String]

    private static let marker = "detached"

    /// Whether the emulator still runs. Its process number may belong to another process by now. A process that the
    /// kernel hides from this user counts as the emulator.
    package var isAlive: Bool {
        if kill(process, 0) != 0, errno != EPERM { return false }
        let isHidden = (try? File(FilePath("/proc/\(process)/status"), .read)) == nil
        return isHidden || EmulatorProcess.runs(process, name)
    }

    /// Marks the VM with this scratch directory as detached.
    package static func mark(
        _ work: FilePath, process: Int32, uri: String?, forwards: [String]
    ) throws(CloudletError) {
        let text = ([String(process), uri ?? "-"] + forwards).joined(separator: "\n")
        try File(work.appending(marker), .create(permissions: 0o600)).write(Array(text.utf8), at: 0)
    }

    /// The detached VMs of all directories below `parent`.
    package static func all(under parent: FilePath) throws(CloudletError) -> [DetachedVM] {
        var found: [DetachedVM] = []
        for slot in try Directory.names(in: parent) where slot.hasPrefix("command-") {
            found += try all(in: parent.appending(slot)).filter(\.isAlive)
        }
        return found
    }

    /// The detached VMs in the directory of one process, including those that have ended.
    static func all(in directory: FilePath) throws(CloudletError) -> [DetachedVM] {
        let work = directory.appending(workName)
        var found: [DetachedVM] = []
        for name in try Directory.names(in: work) {
            guard let file = try? File(work.appending(name).appending(marker), .read),
                let bytes = try? file.read(4096, at: 0)
            else { continue }
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
            guard lines.count >= 2, let process = Int32(lines[0]) else { continue }
            let uri = lines[1] == "-" ? nil : lines[1]
            found.append(DetachedVM(name: name, process: process, uri: uri, forwards: Array(lines.dropFirst(2))))
        }
        return found
    }
}
