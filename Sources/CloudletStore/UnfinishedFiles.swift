// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem
import Synchronization
package import SystemPackage

/// Records the files that a command writes under temporary names in its home, so that the next command can remove the
/// files of a command that was killed, wherever they are.
package final class UnfinishedFiles: Sendable {
    private let lock: FileLock
    private let record: File
    private let end = Mutex(0)

    /// A part of the name of every recorded file.
    private static let mark = ".part-"

    /// Creates a record in `directory`.
    package init(in directory: FilePath) throws(CloudletError) {
        try Directory.create(directory, permissions: 0o700)
        while true {
            let path = directory.appending(String(UInt64.random(in: 0 ... .max), radix: 36))
            // Another command that looks for leftovers may have locked the file for a moment, and may remove it.
            guard let lock = try FileLock.tryAcquire(path), let status = try FileStatus.of(path) else { continue }
            let record = try File(path, .readWrite)
            guard try record.status().identity == status.identity else { continue }
            (self.lock, self.record) = (lock, record)
            return
        }
    }

    deinit { try? FileSystem.remove(record.path) }

    /// The ending of a temporary name.
    package static func suffix() -> String { mark + String(UInt32.random(in: 0 ... .max), radix: 36) }

    /// Records a file or directory with such an ending before it is created.
    package func note(_ path: FilePath) throws(CloudletError) {
        let bytes = Array(path.absolute.string.utf8) + [0]
        let offset = end.withLock { end in
            defer { end += bytes.count }
            return end
        }
        try record.write(bytes, at: offset)
    }

    /// Removes the files in the records of commands that have ended. Files that can't be removed stay recorded.
    package static func removeLeftovers(in directory: FilePath) {
        for name in (try? Directory.names(in: directory)) ?? [] {
            let path = directory.appending(name)
            guard let lock = try? FileLock.tryAcquire(path), let record = try? File(path, .read),
                let size = try? record.size(), size <= 1 << 20, let bytes = try? record.read(size, at: 0)
            else { continue }
            defer { withExtendedLifetime(lock) {} }
            var isDone = true
            for entry in bytes.split(separator: 0) {
                let left = FilePath(String(decoding: entry, as: UTF8.self))
                guard left.lastComponent?.string.contains(mark) == true else { continue }
                do { try FileSystem.remove(left) } catch { isDone = false }
            }
            if isDone { try? FileSystem.remove(path) }
        }
    }
}

extension CloudletHome {
    /// Records of the files that commands are writing; see ``UnfinishedFiles``.
    package var unfinished: FilePath { root.appending("unfinished") }
    /// The directory of VMs whose overlays or base VMs could not be written.
    package var kept: FilePath { root.appending("kept") }
}
