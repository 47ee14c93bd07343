import CloudletCore
import CloudletSystem

/// Whether the disk on which VMs write has room for more of them.
enum DiskCheck {
    /// Refuses where there is no room for the smallest overlay beside what is left to the host; `nil` is a disk of which nothing is
    /// known.
    static func requireRoom(_ space: FileSystemSpace?, reserve: Int) throws(CloudletError) {
        guard let space, space.free - reserve < NodeBackend.scratchBytes else { return }
        throw CloudletError(
            .busy,
            "\(ByteCount(space.free)) are free where VMs write, \(ByteCount(reserve)) are left to the host "
                + "(admission.disk-reserve)", advice: "make room on the disk")
    }
}
