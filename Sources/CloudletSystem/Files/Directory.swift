import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// Directories: make, list, remove.
package enum Directory {
    /// Makes a directory and those above it; one that exists is left as it is.
    /// - Returns: those that were not there before, outermost first.
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
        guard reason == ENOENT, !parent.isEmpty, parent != path else { throw SystemCallError.make(reason, "\(path)") }
        try make(parent, permissions, &made)
        guard unsafe mkdir(path.string, mode_t(permissions)) == 0 else { throw SystemCallError.current("\(path)") }
        made.append(path)
    }

    /// Removes directories again that `create` made, innermost first, as far as they are empty.
    package static func removeEmpty(_ made: [FilePath]) {
        for path in made.reversed() { _ = unsafe rmdir(path.string) }
    }

    /// The names in a directory, sorted; none when it does not exist.
    package static func names(in path: FilePath) throws(CloudletError) -> [String] {
        guard let stream = unsafe opendir(path.string) else {
            let reason = errno
            if try FileStatus.of(path) == nil { return [] }
            throw SystemCallError.make(reason, "can't list the directory \(path)")
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                guard errno == 0 else { throw SystemCallError.current("can't list the directory \(path)") }
                return names.sorted()
            }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    /// Removes a file or a whole tree; one that does not exist is fine.
    package static func remove(_ path: FilePath) throws(CloudletError) {
        guard unsafe unlink(path.string) != 0, errno != ENOENT, errno != ENOTDIR else { return }
        guard unsafe cloudlet_remove_tree(path.string) == 0 else {
            throw SystemCallError.current("can't remove \(path)")
        }
    }

    /// Renames a file or a directory; a file and an empty directory are replaced. What must outlast a power cut goes by
    /// ``Publication``.
    package static func move(_ source: FilePath, to target: FilePath) throws(CloudletError) {
        guard unsafe rename(source.string, target.string) == 0 else {
            throw SystemCallError.current("can't rename \(source) to \(target)")
        }
        DiskJournal.note(.renamed(source, to: target))
    }

    /// Whether there is a file or directory of this name; a link counts, wherever it leads.
    package static func holds(_ path: FilePath) throws(CloudletError) -> Bool {
        var raw = stat()
        if unsafe lstat(path.string, &raw) == 0 { return true }
        if errno == ENOENT || errno == ENOTDIR { return false }
        throw SystemCallError.current("can't examine \(path)")
    }

    /// Opens a directory, to lock it or to put its entries on the disk.
    package static func open(_ path: FilePath) throws(CloudletError) -> File {
        let descriptor = unsafe cloudlet_open(path.string, O_RDONLY | O_DIRECTORY, 0)
        guard descriptor >= 0 else { throw SystemCallError.current("can't open the directory \(path)") }
        return File(owning: descriptor, named: path)
    }

    /// Waits until the names in a directory are on the disk: without it, a power cut may take back a rename.
    package static func synchronize(_ path: FilePath) throws(CloudletError) { try open(path).synchronize() }

    /// Free bytes on the file system that holds `path`, as an ordinary user may use them.
    package static func freeSpace(at path: FilePath) throws(CloudletError) -> Int { try FileSystemSpace(at: path).free }
}
