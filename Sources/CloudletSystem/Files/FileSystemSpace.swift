// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// The space on a file system, in bytes. Some file systems (network, FUSE) report more than an `Int` can hold; then the
/// value is the largest `Int`.
package struct FileSystemSpace: Sendable, Hashable {
    /// The total size.
    package let total: Int
    /// The bytes that an ordinary user can still use.
    package let free: Int
    /// Whether its files are in memory.
    package let isMemory: Bool

    /// The space on the file system of `path`.
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
        // If even the reserve for root is used, the number can be negative.
        let isNegative = Int64(bitPattern: available) < 0 && available > blocks
        free = isNegative ? 0 : min(total, Int(clamping: available.multipliedOrMost(by: blockBytes)))
        self.isMemory = isMemory
    }

    /// tmpfs and ramfs (statfs(2)).
    private static let memoryKinds: Set<Int> = [0x0102_1994, 0x8584_58F6]
}
