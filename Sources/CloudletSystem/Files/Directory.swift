// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc
package import SystemPackage

/// Functions that make, list and open directories.
package enum Directory {
    /// Makes a directory and its missing parents. An existing directory is not changed.
    /// - Returns: the directories that were made, outermost first.
    @discardableResult
    package static func create(_ path: FilePath, permissions: UInt16 = 0o755) throws(CloudletError) -> [FilePath] {
        var made: [FilePath] = []
        do throws(CloudletError) {
            try make(path, permissions, &made)
            return made
        } catch {
            removeEmpty(made)
            throw CloudletError(
                .cannotCreate, "can't make the directory \(path)", advice: error.advice, cause: error)
        }
    }

    private static func make(
        _ path: FilePath, _ permissions: UInt16, _ made: inout [FilePath]
    ) throws(CloudletError) {
        if unsafe mkdir(path.string, mode_t(permissions)) == 0 { return made.append(path) }
        let reason = errno
        if try FileStatus.of(path)?.isDirectory == true { return }
        let parent = path.removingLastComponent()
        guard reason == ENOENT, !parent.isEmpty, parent != path else { throw CloudletError(errno: reason, "\(path)") }
        try make(parent, permissions, &made)
        guard unsafe mkdir(path.string, mode_t(permissions)) == 0 else { throw CloudletError(errno: errno, "\(path)") }
        made.append(path)
    }

    /// Removes the directories that `create` made, innermost first, if they are empty.
    package static func removeEmpty(_ made: [FilePath]) {
        for path in made.reversed() { _ = unsafe rmdir(path.string) }
    }

    /// The names in a directory, sorted; none when the directory does not exist.
    package static func names(in path: FilePath) throws(CloudletError) -> [String] {
        guard let stream = unsafe opendir(path.string) else {
            let reason = errno
            if try FileStatus.of(path) == nil { return [] }
            throw CloudletError(errno: reason, "can't list the directory \(path)")
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                guard errno == 0 else { throw CloudletError(errno: errno, "can't list the directory \(path)") }
                return names.sorted()
            }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    /// Opens a directory, to lock it or to write its entries to the disk.
    package static func open(_ path: FilePath) throws(CloudletError) -> File {
        try File(opening: path, .readOnly, [.directory], "can't open the directory \(path)")
    }

    /// Waits until the names in a directory are on the disk. Otherwise, a power cut can undo a rename.
    package static func synchronize(_ path: FilePath) throws(CloudletError) { try open(path).synchronize() }
}
