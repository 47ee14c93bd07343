package import CloudletCore
import CloudletSystem
import Glibc
package import SystemPackage

/// A directory in which one process at a time keeps the state of an embedded libvirt driver and the scratch files of
/// its VMs.
///
/// Commands take the first free of numbered directories, the node always the same one. What a crashed holder left
/// running or lying is found by the next one and removed, unless a VM was detached on purpose.
package final class HypervisorRoot: Sendable {
    /// What kind of program holds it.
    package enum Role: Sendable {
        /// The daemon.
        case node
        /// A command.
        case command
    }

    /// The directory.
    package let directory: FilePath
    /// Begins the names of this holder's VMs; other homes that use the same libvirt have other prefixes.
    package let vmPrefix: String
    private let lock: FileLock
    /// The directory, open.
    let handle: File

    private static let commandSlots = 32

    /// Takes a directory below `parent`.
    /// - Throws: `CloudletError.busy` when all are held.
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
            // A program that asks whether the node runs holds the lock for a moment, and flock(2) knows no time limit.
            if attempt > 0 { usleep(20_000) }
            if let lock = try FileLock.tryAcquire(parent.appending(".\(name).lock")) { return lock }
        }
        return nil
    }

    /// Whether a node runs with this directory.
    package static func nodeRuns(under parent: FilePath) throws(CloudletError) -> Bool {
        try FileLock.isHeld(parent.appending(".node.lock"))
    }

    /// Scratch directories of the VMs, each named after its VM.
    package var workDirectory: FilePath { directory.appending(DetachedVM.workName) }

    private static func vmPrefix(of slot: String, in parent: FilePath) -> String {
        let home = SHA256Digest(hashing: Array(parent.string.utf8).span).hex.prefix(4)
        return "cloudlet-\(home)-\(slot.replacing("command-", with: "c"))-"
    }

    /// Takes the directory that a detached VM lives in.
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

    /// The directory by the name that libvirt is given. libvirt puts it into URIs, into lists separated by blanks, into
    /// command lines and into documents that it reads again; and it makes sockets about 80 characters below it, whose
    /// paths end at 107. A path that is too long or means something in one of these is replaced by that of the open
    /// directory, which stands for itself in all of them.
    var driverPath: FilePath {
        let name = directory.string.utf8
        return name.count <= Self.longestPath && name.allSatisfy(Self.isPlain) ? directory : handle.descriptorPath
    }

    /// What leaves room for the longest of the sockets, the guest agent's:
    /// `/lib/qemu/channel/target/domain-NUMBER-NAME/org.qemu.guest_agent.0`, of the name 20 characters.
    private static let longestPath = 24

    /// Whether a byte of a path stands for itself everywhere.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// A file below the directory by the name that libvirt is given: its own, unless XML can't hold that.
    func nameForDriver(_ path: FilePath) -> FilePath {
        var rest = path
        guard path.string.unicodeScalars.contains(where: { $0.value < 0x20 }), rest.removePrefix(directory) else {
            return path
        }
        return handle.descriptorPath.pushing(rest)
    }

    /// The driver's log of its own warnings, by the name that libvirt is given.
    var driverLog: FilePath { driverPath.appending("libvirt.log") }

    /// The driver's log of one VM.
    package func log(of domain: String) -> FilePath {
        directory.appending("log").appending("qemu").appending("\(domain).log")
    }

    /// Whether a name is one that a holder of such a directory gave to a VM, whatever the directory was called then.
    static func isVMName(_ name: String) -> Bool {
        name.wholeMatch(of: /cloudlet-[0-9a-f]{4}-(node|c[0-9]+)-[0-9a-z]+/) != nil
    }

    /// All roots keep what the driver found out about the emulator in one directory: finding out takes seconds.
    private static func shareCache(of directory: FilePath, in parent: FilePath) throws(CloudletError) {
        try Directory.createPrivate(parent.appending("cache"))
        let link = directory.appending("cache")
        if unsafe symlink("../cache", link.string) != 0, errno != EEXIST {
            throw CloudletError(errno: errno, "can't make the link \(link)")
        }
    }

    /// Makes what is in every such directory.
    private func furnish() throws(CloudletError) {
        try Directory.createPrivate(workDirectory)
        try writeConfiguration()
    }

    /// Settings under which one process runs VMs without a libvirt daemon, udev, cgroups or mount namespaces.
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
        // On a full disk it could not be written anew.
        if (try? File(file, .read).read(text.count + 1, at: 0)) == text { return }
        try FileSystem.remove(file)
        try File(file, .create(permissions: 0o600)).write(text, at: 0)
    }
}
