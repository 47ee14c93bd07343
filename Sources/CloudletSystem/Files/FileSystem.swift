// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// Operations on files and directories by name.
package enum FileSystem {
    /// Removes a file or a whole tree. Does nothing if it does not exist.
    package static func remove(_ path: FilePath) throws(CloudletError) {
        guard unsafe unlink(path.string) != 0, errno != ENOENT, errno != ENOTDIR else { return }
        guard unsafe cloudlet_remove_tree(path.string) == 0 else {
            throw CloudletError(errno: errno, "can't remove \(path)")
        }
    }

    /// Renames a file or a directory, and replaces an existing file or empty directory with that name. Use
    /// ``Publication`` for what must survive a power cut.
    package static func move(_ source: FilePath, to target: FilePath) throws(CloudletError) {
        guard unsafe rename(source.string, target.string) == 0 else {
            throw CloudletError(errno: errno, "can't rename \(source) to \(target)")
        }
        DiskJournal.note(.renamed(source, to: target))
    }

    /// Whether a file or directory with this name exists. A link counts, even if its target does not exist.
    package static func exists(_ path: FilePath) throws(CloudletError) -> Bool {
        var raw = stat()
        if unsafe lstat(path.string, &raw) == 0 { return true }
        if errno == ENOENT || errno == ENOTDIR { return false }
        throw CloudletError(errno: errno, "can't examine \(path)")
    }

    /// Bytes that an ordinary user can use on the file system of `path`.
    package static func freeSpace(at path: FilePath) throws(CloudletError) -> Int { try FileSystemSpace(at: path).free }
}
