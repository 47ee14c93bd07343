public import CloudletCore
import CloudletSystem
import FoundationEssentials
import Glibc
public import SystemPackage

/// The directory in which everything of this program is kept that the user did not name: `CLOUDLET_HOME`, else
/// `/var/lib/cloudlet` for a system service, else `$XDG_DATA_HOME/cloudlet`.
public struct CloudletHome: Hashable, Sendable {
    /// The directory.
    public let root: FilePath

    /// Uses this directory and makes it when missing (0700).
    public init(_ root: FilePath) throws(CloudletError) {
        let absolute = root.isAbsolute ? root : Self.currentDirectory.pushing(root)
        self.root = absolute.lexicallyNormalized()
        do throws(CloudletError) { try Directory.create(self.root, permissions: 0o700) } catch {
            throw CloudletError(
                error.code, "the directory for cloudlet's state can't be made", advice: "set CLOUDLET_HOME",
                cause: error)
        }
    }

    /// The directory the environment asks for.
    public static func fromEnvironment(_ environment: [String: String]) throws(CloudletError) -> CloudletHome {
        if let home = environment["CLOUDLET_HOME"], !home.isEmpty { return try CloudletHome(FilePath(home)) }
        // systemd hands a service its directory.
        if let state = environment["STATE_DIRECTORY"]?.split(separator: ":").first {
            return try CloudletHome(FilePath(String(state)))
        }
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") {
            return try CloudletHome(FilePath(data).appending("cloudlet"))
        }
        guard let user = environment["HOME"], user.hasPrefix("/") else {
            return try CloudletHome("/var/lib/cloudlet")
        }
        return try CloudletHome(FilePath(user).appending(".local/share/cloudlet"))
    }

    /// The registry's database.
    public var database: FilePath { root.appending("cloudlet.db") }
    /// State of hypervisors and scratch files of their VMs, a directory each for the node and for commands.
    public var hypervisors: FilePath { root.appending("hypervisor") }
    /// The accelerator probe's verdict.
    public var acceleratorCache: FilePath { root.appending("accelerator.json") }

    /// The node's configuration file; it need not exist.
    public var configuration: FilePath { root.appending("cloudlet.yaml") }

    /// The directory relative paths start from.
    public static var currentDirectory: FilePath { FilePath(FileManager.default.currentDirectoryPath) }

    /// An absolute path without `.`, `..` and symbolic links, as the registry keeps it. The file must exist.
    public static func resolve(_ path: FilePath) throws(CloudletError) -> FilePath {
        let absolute = path.isAbsolute ? path : currentDirectory.pushing(path)
        guard let resolved = unsafe realpath(absolute.string, nil) else {
            throw SystemCallError.current("can't find \(path)")
        }
        defer { unsafe free(resolved) }
        return FilePath(unsafe String(cString: resolved))
    }
}
