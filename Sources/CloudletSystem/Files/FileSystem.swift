import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// What can be done to files and directories by their names.
package enum FileSystem {
    /// Removes a file or a whole tree; one that does not exist is fine.
    package static func remove(_ path: FilePath) throws(CloudletError) {
        guard unsafe unlink(path.string) != 0, errno != ENOENT, errno != ENOTDIR else { return }
        guard unsafe cloudlet_remove_tree(path.string) == 0 else {
            throw CloudletError(errno: errno, "can't remove \(path)")
        }
    }

    /// Renames a file or a directory; an existing file or empty directory of that name is replaced. What must
    /// survive a power cut needs ``Publication``.
    package static func move(_ source: FilePath, to target: FilePath) throws(CloudletError) {
        guard unsafe rename(source.string, target.string) == 0 else {
            throw CloudletError(errno: errno, "can't rename \(source) to \(target)")
        }
        DiskJournal.note(.renamed(source, to: target))
    }

    /// Whether there is a file or directory of this name; a link counts, wherever it leads.
    package static func exists(_ path: FilePath) throws(CloudletError) -> Bool {
        var raw = stat()
        if unsafe lstat(path.string, &raw) == 0 { return true }
        if errno == ENOENT || errno == ENOTDIR { return false }
        throw CloudletError(errno: errno, "can't examine \(path)")
    }

    /// Free bytes on the file system that holds `path`, as an ordinary user may use them.
    package static func freeSpace(at path: FilePath) throws(CloudletError) -> Int { try FileSystemSpace(at: path).free }
}
