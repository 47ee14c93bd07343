// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// Memory that a VM and this process share. It is a memfd, which is in shmem, is never written to a disk file system,
/// and disappears with its last user, even after a crash.
package final class SharedMemory: Sendable {
    /// The open memfd.
    package let file: File
    /// Size in bytes.
    package let size: Int

    private let turn = BlockingMutex()

    /// Makes `size` bytes of zeros. A page takes up memory only after it is first written.
    package init(named name: String, size: Int) throws(CloudletError) {
        let descriptor = unsafe cloudlet_memfd_create(name)
        guard descriptor >= 0 else { throw CloudletError(errno: errno, "can't make shared memory") }
        file = File(owning: descriptor, named: FilePath("memory:\(name)"))
        self.size = size
        try file.resize(to: size)
    }

    /// Writes all bytes at `offset`.
    package func write(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError) {
        try write { (file) throws(CloudletError) in try file.write(bytes, at: offset) }
    }

    /// Runs `body`, which can write at several offsets, while no other task writes.
    package func write(_ body: (File) throws(CloudletError) -> Void) throws(CloudletError) {
        try turn.take { () throws(CloudletError) in try body(file) }
    }

    /// Fills a range with zeros and frees its pages.
    package func clear(_ range: Range<Int>) throws(CloudletError) {
        try turn.take { () throws(CloudletError) in try file.punchHole(range) }
    }

    /// A path with which another process of the same user can open the memory as long as this process runs.
    package var path: FilePath { file.descriptorPath }
}
