public import CloudletCore
import CloudletSystem
import Glibc
public import SystemPackage

/// A directory in which one process at a time keeps the state of an embedded libvirt driver and the scratch files of
/// its VMs.
///
/// Commands take the first free of numbered directories, the node always the same one. What a crashed holder left
/// running or lying is found by the next one and removed, unless a VM was detached on purpose.
public final class HypervisorRoot: Sendable {
    /// Who holds it.
    public enum Role: Sendable {
        /// The daemon.
        case node
        /// A command.
        case command
    }

    /// The directory.
    public let directory: FilePath
    /// Begins the names of this holder's VMs; other homes that use the same libvirt have other prefixes.
    public let vmPrefix: String
    private let lock: FileLock

    private static let commandSlots = 32

    /// Takes a directory below `parent`.
    /// - Throws: `CloudletError.busy` when all are held.
    public init(under parent: FilePath, role: Role) throws(CloudletError) {
        try Directory.create(parent, permissions: 0o700)
        let names = role == .node ? ["node"] : (0..<Self.commandSlots).map { "command-\($0)" }
        for name in names {
            let directory = parent.appending(name)
            if let lock = try Self.lock(name, in: parent, tries: role == .node ? 5 : 1) {
                try Directory.create(directory, permissions: 0o700)
                if role == .command, try DetachedVM.all(in: directory).contains(where: \.isAlive) { continue }
                self.directory = directory
                self.lock = lock
                vmPrefix = Self.vmPrefix(of: name, in: parent)
                try Self.shareCache(of: directory, in: parent)
                try writeConfiguration()
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
            // Who asks whether the node runs holds the lock for a moment.
            if attempt > 0 { usleep(20_000) }
            if let lock = try FileLock.tryAcquire(parent.appending(".\(name).lock")) { return lock }
        }
        return nil
    }

    /// Whether a node runs with this directory.
    public static func nodeRuns(under parent: FilePath) throws(CloudletError) -> Bool {
        try FileLock.isHeld(parent.appending(".node.lock"))
    }

    /// Scratch directories of the VMs, each named after its VM.
    public var workDirectory: FilePath { directory.appending(Self.workName) }

    static let workName = "work"

    private static func vmPrefix(of slot: String, in parent: FilePath) -> String {
        let home = SHA256Digest(hashing: Array(parent.string.utf8).span).hex.prefix(4)
        return "cloudlet-\(home)-\(slot.replacing("command-", with: "c"))-"
    }

    /// Takes the directory that a detached VM lives in.
    /// - Throws: `CloudletError.notFound` when there is no such VM.
    public convenience init(of vm: String, under parent: FilePath) throws(CloudletError) {
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
        try writeConfiguration()
    }

    /// The URI of the embedded driver on this directory.
    public func uri() throws(CloudletError) -> String { "qemu:///embed?root=\(try shortPath().string)" }

    /// The driver's log of its own warnings.
    var driverLog: FilePath { directory.appending("libvirt.log") }

    /// The driver's log of one VM.
    public func log(of domain: String) -> FilePath {
        directory.appending("log").appending("qemu").appending("\(domain).log")
    }

    /// The driver makes sockets about 60 characters below its root, and a socket's path ends at 107. A root that is
    /// too deep is reached through a link in the directory for temporary files.
    private func shortPath() throws(CloudletError) -> FilePath {
        guard directory.string.utf8.count > 45 else { return directory }
        let digest = SHA256Digest(hashing: Array(directory.string.utf8).span).short
        let link = FilePath("/tmp/cloudlet-\(geteuid())-\(digest)")
        if unsafe symlink(directory.string, link.string) != 0, errno != EEXIST {
            throw SystemCallError.current("can't make the link \(link)")
        }
        // Somebody else's link of that name must not decide where our sockets are.
        var buffer = [CChar](repeating: 0, count: 4096)
        let capacity = buffer.count
        let count = unsafe readlink(link.string, &buffer, capacity - 1)
        let target = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard target == directory.string else {
            throw CloudletError(
                .cannotCreate, "\(link) is in the way", advice: "remove it, or use a shorter CLOUDLET_HOME")
        }
        return link
    }

    /// All roots keep what the driver found out about the emulator in one place: finding out takes seconds.
    private static func shareCache(of directory: FilePath, in parent: FilePath) throws(CloudletError) {
        try Directory.create(parent.appending("cache"), permissions: 0o700)
        let link = directory.appending("cache")
        if unsafe symlink("../cache", link.string) != 0, errno != EEXIST {
            throw SystemCallError.current("can't make the link \(link)")
        }
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
        try Directory.create(file.removingLastComponent(), permissions: 0o700)
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        // On a full disk it could not be written anew.
        if (try? File(file, .read).read(text.count + 1, at: 0)) == text { return }
        try Directory.remove(file)
        try File(file, .create(permissions: 0o600)).write(text, at: 0)
    }
}
