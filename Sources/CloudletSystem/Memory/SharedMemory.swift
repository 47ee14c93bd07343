import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// Memory that a VM and this process share: a memfd, which lives in shmem, is never written to a disk file system
/// and vanishes with its last user, also after a crash.
package final class SharedMemory: Sendable {
    /// The open memfd.
    package let file: File
    /// Bytes.
    package let size: Int

    private let turn = BlockingMutex()

    /// Makes `size` bytes of zeros; pages take up memory when they are first written.
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

    /// Runs `body`, which writes in several places, when nobody else writes.
    package func write(_ body: (File) throws(CloudletError) -> Void) throws(CloudletError) {
        try turn.take { () throws(CloudletError) in try body(file) }
    }

    /// Makes a range zeros and gives its pages back.
    package func clear(_ range: Range<Int>) throws(CloudletError) {
        try turn.take { () throws(CloudletError) in try file.punchHole(range) }
    }

    /// A path by which another process of the same user can open the memory while this one lives.
    package var path: FilePath { file.descriptorPath }
}
