import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// The room on a file system, in bytes. Some file systems (network, FUSE) report more than any number of ours holds; that
/// is taken for the largest one.
package struct FileSystemSpace: Sendable, Hashable {
    /// All there is.
    package let total: Int
    /// What an ordinary user may still use.
    package let free: Int
    /// Whether what is written there stays in memory.
    package let isMemory: Bool

    /// The room on the file system that holds `path`.
    package init(at path: FilePath) throws(CloudletError) {
        var raw = statvfs()
        var kind: Int = 0
        guard unsafe statvfs(path.string, &raw) == 0, unsafe cloudlet_file_system_type(path.string, &kind) == 0 else {
            throw CloudletError(errno: errno, "can't examine the file system of \(path)")
        }
        self.init(
            blocks: UInt64(raw.f_blocks), available: UInt64(raw.f_bavail), blockBytes: UInt64(raw.f_frsize),
            isMemory: Self.memoryKinds.contains(kind))
    }

    init(blocks: UInt64, available: UInt64, blockBytes: UInt64, isMemory: Bool = false) {
        total = Int(clamping: blocks.multipliedOrMost(by: blockBytes))
        // A file system that is fuller than its reserve for root may count below zero.
        let isNegative = Int64(bitPattern: available) < 0 && available > blocks
        free = isNegative ? 0 : min(total, Int(clamping: available.multipliedOrMost(by: blockBytes)))
        self.isMemory = isMemory
    }

    /// tmpfs and ramfs (statfs(2)).
    private static let memoryKinds: Set<Int> = [0x0102_1994, 0x8584_58F6]
}
