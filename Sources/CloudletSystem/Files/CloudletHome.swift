// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import FoundationEssentials
import Glibc
package import SystemPackage

/// The directory for all files whose path the user did not give: `CLOUDLET_HOME`, otherwise `/var/lib/cloudlet` for a
/// system service and its user, otherwise `$XDG_DATA_HOME/cloudlet`.
package struct CloudletHome: Hashable, Sendable {
    /// The directory.
    package let root: FilePath

    /// The directory of the system service, which is also the home directory of the service's user.
    package static let system: FilePath = "/var/lib/cloudlet"

    /// Uses this directory, and makes it if it is missing (0700). `root` is the path without links, so that the files
    /// of an earlier process are found under any name of the directory.
    package init(_ root: FilePath) throws(CloudletError) {
        // Bytes that are not UTF-8 were replaced by U+FFFD, so the path would name another directory.
        guard !root.string.unicodeScalars.contains("\u{FFFD}") else {
            throw CloudletError(
                .usage, "the path of the directory for cloudlet's state is not valid UTF-8: \(root)",
                advice: "set CLOUDLET_HOME to another path")
        }
        do throws(CloudletError) {
            try Directory.create(root, permissions: 0o700)
            self.root = try Self.resolve(root)
        } catch {
            throw CloudletError(
                error.code, "the directory for cloudlet's state can't be created",
                advice: "set CLOUDLET_HOME to a directory that you can write to",
                cause: error)
        }
    }

    /// Makes sure that other users can neither read nor replace the files in the directory: session numbers, with which
    /// sessions can be ended, and the files that emulators load.
    /// - Throws: `CloudletError.permission` when that would change files that are not ours.
    package func secure() throws(CloudletError) {
        let directory = try Directory.open(root)
        try directory.requireOwn()
        let mode = try directory.status().permissions
        guard mode & 0o077 != 0 else { return }
        // A directory with other files may be meant for other users, such as / or /tmp.
        guard try Directory.names(in: root).allSatisfy(Self.isOurs) else {
            guard mode & 0o022 == 0 else {
                throw CloudletError(
                    .permission, "other users may write to the directory for cloudlet's state, \(root)",
                    advice: "set CLOUDLET_HOME to a directory that only you can write to")
            }
            return
        }
        do throws(CloudletError) { try directory.setPermissions(mode & 0o700) } catch {
            // On a read-only file system, other users can't replace files anyway.
            guard mode & 0o022 == 0 else { throw error }
        }
    }

    /// Whether a name is one that this program gives to its files here.
    private static func isOurs(_ name: String) -> Bool {
        [
            "cloudlet.", "hypervisor", "accelerator.json", "node-id", "boot-id", "known-nodes", "unfinished",
            "kept", "control", "lost+found",
        ].contains { name.hasPrefix($0) }
    }

    /// The directory chosen by the environment.
    package static func fromEnvironment(
        _ environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(CloudletError) -> CloudletHome { try CloudletHome(chosen(by: environment)) }

    /// The path of the directory chosen by the environment.
    static func chosen(by environment: [String: String]) -> FilePath {
        if let home = environment["CLOUDLET_HOME"], !home.isEmpty { return FilePath(home) }
        // systemd passes the state directory to a service.
        if let state = environment["STATE_DIRECTORY"]?.split(separator: ":").first { return FilePath(String(state)) }
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return FilePath(data).appending("cloudlet") }
        guard let user = environment["HOME"], user.hasPrefix("/") else { return system }
        // So that commands that the service's user runs ('sudo -u cloudlet cloudlet add-base') need no CLOUDLET_HOME.
        return FilePath(user) == system ? system : FilePath(user).appending(".local/share/cloudlet")
    }

    /// The registry's database.
    package var database: FilePath { root.appending("cloudlet.db") }
    /// State of hypervisors and scratch files of their VMs, with one directory for the node and one for each command.
    package var hypervisors: FilePath { root.appending("hypervisor") }
    /// The stored result of the accelerator probe.
    package var acceleratorCache: FilePath { root.appending("accelerator.json") }

    /// The node's configuration file, which need not exist: `cloudlet.yaml` in the directory. For the system service
    /// it is `/etc/cloudlet/cloudlet.yaml`, unless the directory has one.
    package var configuration: FilePath { Self.configuration(in: root, system: (try? Self.resolve(Self.system))) }

    static func configuration(in root: FilePath, system: FilePath?) -> FilePath {
        let own = root.appending("cloudlet.yaml")
        return root == system && (try? FileStatus.of(own)) == nil ? "/etc/cloudlet/cloudlet.yaml" : own
    }

    /// The working directory, at which relative paths start.
    package static var currentDirectory: FilePath { FilePath(FileManager.default.currentDirectoryPath) }

    /// An absolute path without `.`, `..` and symbolic links, as the registry stores it. The file must exist.
    package static func resolve(_ path: FilePath) throws(CloudletError) -> FilePath {
        let absolute = path.isAbsolute ? path : currentDirectory.pushing(path)
        guard let resolved = unsafe realpath(absolute.string, nil) else {
            throw CloudletError(errno: errno, "can't find \(path)")
        }
        defer { unsafe free(resolved) }
        guard let text = unsafe String(validatingCString: resolved) else {
            throw CloudletError(
                .usage, "the real path of \(path) is not valid UTF-8", advice: "rename it, or use another directory")
        }
        return FilePath(text)
    }
}
