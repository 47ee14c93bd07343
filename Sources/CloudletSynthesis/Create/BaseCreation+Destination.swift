// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
package import SystemPackage

extension BaseCreation {
    /// Checks, before the VM boots, whether the files of a base VM can be written beside its disk. Writes files with
    /// their longest temporary names there, one of them as large as the memory snapshot, and checks the free space.
    /// - Parameters:
    ///   - disk: absolute path of the disk, which need not exist yet.
    ///   - diskBytes: the size of the disk; 0 if it is not known yet.
    ///   - memoryBytes: the VM's memory.
    /// - Throws: `CloudletError` with the reason. No file is left there in any case.
    package static func requireDestination(
        _ disk: FilePath, diskBytes: Int, memoryBytes: Int
    ) throws(CloudletError) {
        guard disk.string.utf8.count <= QCOW2Layout.longestBackingPath else {
            throw CloudletError(
                .usage, "the disk's path is longer than \(QCOW2Layout.longestBackingPath) bytes: \(disk)",
                advice: "move it to a directory with a shorter path")
        }
        let files = BaseFiles(disk: disk)
        for path in files.derived {
            let trial = FilePath(path.string + ".commit-" + String(UInt64.max, radix: 36))
            defer { try? FileSystem.remove(trial) }
            try FileSystem.remove(trial)
            let file = try File(trial, .create(permissions: 0o600))
            if path == files.memory { try file.resize(to: memoryBytes + SnapshotLayout.maximumState) }
        }
        // The hash lists of the pages, and the temporary files for sorting them.
        let lists = 3 * Page.count(covering: memoryBytes) + 2 * Page.count(covering: diskBytes)
        let need = memoryBytes + lists * HashRecord.byteCount
        let free = try FileSystem.freeSpace(at: disk.removingLastComponent())
        guard free >= need else {
            throw CloudletError(
                .io,
                "the files of a base VM with \(ByteCount(memoryBytes)) of memory may take \(ByteCount(need)); "
                    + "\(disk.removingLastComponent()) has \(ByteCount(free)) of free space",
                advice: "free some space, move the disk to a larger file system, or give the VM less with --memory")
        }
    }
}
