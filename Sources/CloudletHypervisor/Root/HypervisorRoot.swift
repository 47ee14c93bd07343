// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Glibc
package import SystemPackage

/// A directory in which one process at a time stores the state of an embedded libvirt driver and the scratch files of
/// its VMs.
///
/// A command uses the first free one of several numbered directories, the node always the same one. If a process
/// crashes, the next one that uses the directory ends its VMs and removes its files, except VMs detached on purpose.
package final class HypervisorRoot: Sendable {
    /// The kind of program that uses the directory.
    package enum Role: Sendable {
        /// The daemon.
        case node
        /// A command.
        case command
    }

    /// The directory.
    package let directory: FilePath
    /// The first part of the names of this process's VMs. It differs for each CLOUDLET_HOME that uses the same libvirt.
    package let vmPrefix: String
    private let lock: FileLock
    /// The open directory.
    let handle: File

    private static let commandSlots = 32

    /// Takes a free directory below `parent`.
    /// - Throws: `CloudletError.busy` when all are in use.
    package init(under parent: FilePath, role: Role) throws(CloudletError) {
        try Directory.createPrivate(parent)
        let names = role == .node ? ["node"] : (0..<Self.commandSlots).map { "command-\($0)" }
        for name in names {
            let directory = parent.appending(name)
            if let lock = try Self.lock(name, in: parent, tries: role == .node ? 5 : 1) {
                try Directory.createPrivate(directory)
                if role == .command, try DetachedVM.all(in: directory).contains(where: \.isAlive) { continue }
                self.directory = directory
                self.lock = lock
                vmPrefix = Self.vmPrefix(of: name, in: parent)
                handle = try Directory.open(directory)
                try Self.shareCache(of: directory, in: parent)
                try furnish()
                return
            }
        }
        throw role == .node
            ? CloudletError(
                .busy, "another cloudlet-node already runs with \(parent.removingLastComponent())",
                advice: "stop it, or give this one another CLOUDLET_HOME")
            : CloudletError(.busy, "\(Self.commandSlots) cloudlet commands already run VMs", advice: "end one of them")
    }

    private static func lock(_ name: String, in parent: FilePath, tries: Int) throws(CloudletError) -> FileLock? {
        for attempt in 0..<tries {
            // A program that checks whether the node runs holds the lock for a moment, and flock(2) has no time limit.
            if attempt > 0 { usleep(20_000) }
            if let lock = try FileLock.tryAcquire(parent.appending(".\(name).lock")) { return lock }
        }
        return nil
    }

    /// Whether a node uses this directory.
    package static func nodeRuns(under parent: FilePath) throws(CloudletError) -> Bool {
        try FileLock.isHeld(parent.appending(".node.lock"))
    }

    /// Scratch directories of the VMs, each named after its VM.
    package var workDirectory: FilePath { directory.appending(DetachedVM.workName) }

    private static func vmPrefix(of slot: String, in parent: FilePath) -> String {
        let home = SHA256Digest(hashing: Array(parent.string.utf8).span).hex.prefix(4)
        return "cloudlet-\(home)-\(slot.replacing("command-", with: "c"))-"
    }

    /// Takes the directory that contains a detached VM.
    /// - Throws: `CloudletError.notFound` when there is no such VM.
    package convenience init(of vm: String, under parent: FilePath) throws(CloudletError) {
        for index in 0..<Self.commandSlots {
            let slot = "command-\(index)"
            let directory = parent.appending(slot)
            guard try DetachedVM.all(in: directory).contains(where: { $0.name == vm }) else { continue }
            guard let lock = try FileLock.tryAcquire(parent.appending(".\(slot).lock")) else { break }
            try self.init(directory: directory, lock: lock, vmPrefix: Self.vmPrefix(of: slot, in: parent))
            return
        }
        throw CloudletError(
            .notFound, "there is no detached VM '\(vm.displayable(limit: 60))'", advice: "see 'cloudlet list-vm'")
    }

    private init(directory: FilePath, lock: FileLock, vmPrefix: String) throws(CloudletError) {
        self.directory = directory
        self.lock = lock
        self.vmPrefix = vmPrefix
        handle = try Directory.open(directory)
        try furnish()
    }

    /// The URI of the embedded driver on this directory.
    package var uri: String { "qemu:///embed?root=\(driverPath)" }

    /// The path of the directory for libvirt. libvirt inserts it into URIs, into lists separated by blanks, into
    /// command lines and into documents that it reads again. It also creates sockets about 80 characters below it,
    /// whose paths have at most 107 characters. If the path is too long or has characters with a special meaning, the
    /// path of the open directory is used instead, which has none.
    var driverPath: FilePath {
        let name = directory.string.utf8
        return name.count <= Self.longestPath && name.allSatisfy(Self.isPlain) ? directory : handle.descriptorPath
    }

    /// Leaves enough characters for every socket that libvirt can make for a VM. Channels have the longest paths, such as
    /// `/lib/qemu/channel/target/domain-NUMBER-NAME/org.qemu.guest_agent.0`, with 20 characters of the name.
    private static let longestPath = 24

    /// Whether a byte has no special meaning in any of these.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// The path of a file below the directory for libvirt: its own path, unless XML can't represent it.
    func nameForDriver(_ path: FilePath) -> FilePath {
        var rest = path
        guard path.string.unicodeScalars.contains(where: { $0.value < 0x20 }), rest.removePrefix(directory) else {
            return path
        }
        return handle.descriptorPath.pushing(rest)
    }

    /// The file for the driver's own warnings; a path for libvirt.
    var driverLog: FilePath { driverPath.appending("libvirt.log") }

    /// The driver's log of one VM.
    package func log(of domain: String) -> FilePath {
        directory.appending("log").appending("qemu").appending("\(domain).log")
    }

    /// Whether a name has the form of the VM names of this program, under any path of the directory.
    static func isVMName(_ name: String) -> Bool {
        name.wholeMatch(of: /cloudlet-[0-9a-f]{4}-(node|c[0-9]+)-[0-9a-z]+/) != nil
    }

    /// All directories share one cache of what the driver found out about the emulator, because that takes seconds.
    private static func shareCache(of directory: FilePath, in parent: FilePath) throws(CloudletError) {
        try Directory.createPrivate(parent.appending("cache"))
        let link = directory.appending("cache")
        if unsafe symlink("../cache", link.string) != 0, errno != EEXIST {
            throw CloudletError(errno: errno, "can't make the link \(link)")
        }
    }

    /// Makes the files that every such directory contains.
    private func furnish() throws(CloudletError) {
        try Directory.createPrivate(workDirectory)
        try writeConfiguration()
    }

    /// Writes settings that let one process run VMs without a libvirt daemon, udev, cgroups or mount namespaces.
    private func writeConfiguration() throws(CloudletError) {
        var lines = [
            "dynamic_ownership = 0", "remember_owner = 0", "security_driver = \"none\"", "namespaces = []",
            "cgroup_controllers = []", "stdio_handler = \"file\"", "seccomp_sandbox = 1", "max_core = 0",
            "dump_guest_core = 0",
        ]
        if geteuid() == 0 { lines += ["user = \"+0\"", "group = \"+0\""] }
        let file = directory.appending("etc").appending("qemu.conf")
        try Directory.createPrivate(file.removingLastComponent())
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        // Keep an identical file: on a full disk, it could not be written again.
        if (try? File(file, .read).read(text.count + 1, at: 0)) == text { return }
        try FileSystem.remove(file)
        try File(file, .create(permissions: 0o600)).write(text, at: 0)
    }
}
