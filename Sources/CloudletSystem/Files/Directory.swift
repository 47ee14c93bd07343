import CLinux
public import CloudletCore
import FoundationEssentials
import Glibc
public import SystemPackage

/// Directories: make, list, remove.
public enum Directory {
    /// Makes a directory and those above it; one that exists is left as it is.
    public static func create(_ path: FilePath, permissions: UInt16 = 0o755) throws(CloudletError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path.string, withIntermediateDirectories: true,
                attributes: [.posixPermissions: Int(permissions)])
        } catch {
            throw CloudletError(.cannotCreate, "can't make the directory \(path)", cause: error)
        }
    }

    /// The names in a directory, sorted; none when it does not exist.
    public static func names(in path: FilePath) throws(CloudletError) -> [String] {
        guard try FileStatus.of(path) != nil else { return [] }
        do {
            return try FileManager.default.contentsOfDirectory(atPath: path.string).sorted()
        } catch {
            throw CloudletError(.io, "can't list the directory \(path)", cause: error)
        }
    }

    /// Removes a file or a whole tree; one that does not exist is fine.
    public static func remove(_ path: FilePath) throws(CloudletError) {
        guard unsafe unlink(path.string) != 0, errno != ENOENT, errno != ENOTDIR else { return }
        do {
            try FileManager.default.removeItem(atPath: path.string)
        } catch {
            throw CloudletError(.io, "can't remove \(path)", cause: error)
        }
    }

    /// Renames a file or a directory; a file and an empty directory are replaced. What must outlast a power cut goes by
    /// ``Publication``.
    public static func move(_ source: FilePath, to target: FilePath) throws(CloudletError) {
        guard unsafe rename(source.string, target.string) == 0 else {
            throw SystemCallError.current("can't rename \(source) to \(target)")
        }
        DiskJournal.note(.renamed(source, to: target))
    }

    /// Whether there is a file or directory of this name; a link counts, wherever it leads.
    public static func holds(_ path: FilePath) throws(CloudletError) -> Bool {
        var raw = stat()
        if unsafe lstat(path.string, &raw) == 0 { return true }
        if errno == ENOENT || errno == ENOTDIR { return false }
        throw SystemCallError.current("can't examine \(path)")
    }

    /// Opens a directory, to lock it or to put its entries on the disk.
    public static func open(_ path: FilePath) throws(CloudletError) -> File {
        let descriptor = unsafe cloudlet_open(path.string, O_RDONLY | O_DIRECTORY, 0)
        guard descriptor >= 0 else { throw SystemCallError.current("can't open the directory \(path)") }
        return File(owning: descriptor, named: path)
    }

    /// Waits until the names in a directory are on the disk: without it, a power cut may take back a rename.
    public static func synchronize(_ path: FilePath) throws(CloudletError) { try open(path).synchronize() }

    /// Free bytes on the file system that holds `path`, as an ordinary user may use them.
    public static func freeSpace(at path: FilePath) throws(CloudletError) -> Int { try FileSystemSpace(at: path).free }
}
