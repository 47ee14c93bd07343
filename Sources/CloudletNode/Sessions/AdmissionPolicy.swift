/// What decides over admission: the bounds, what the host has, and what a synthesis takes.
extension Admission {
    /// The bounds.
    package struct Policy: Sendable, Hashable {
        /// VMs at the same time; 0 for as many as memory allows.
        package var machines = 0
        /// Sessions that one client address may have, waiting ones included.
        package var perClient = 8
        /// Sessions that may wait.
        package var queue = 64
        /// How long a session waits.
        package var queueTimeout = Duration.seconds(60)
        /// Bytes of memory left to the host.
        package var memoryReserve = 512 << 20
        /// Bytes of disk space left to the host.
        package var diskReserve = 256 << 20

        /// The default bounds.
        package init() {}
    }

    /// What the host has, in bytes.
    package struct Figures: Sendable {
        /// Memory in all.
        package var memory: Int
        /// Memory that could be used now.
        package var freeMemory: Int
        /// Space on the disk that holds scratch files.
        package var freeDisk: Int
        /// All space of that disk.
        package var disk: Int
        /// Space there that the end of all VMs would give back.
        package var disposableDisk: Int
        /// Whether that disk is memory (tmpfs).
        package var diskIsMemory: Bool

        /// The figures; those of the disk that are left out say that it is large and holds nothing of VMs.
        package init(
            memory: Int, freeMemory: Int, freeDisk: Int, disk: Int = .max >> 1, disposableDisk: Int = 0,
            diskIsMemory: Bool = false
        ) {
            self.memory = memory
            self.freeMemory = freeMemory
            self.freeDisk = freeDisk
            self.disk = disk
            self.disposableDisk = disposableDisk
            self.diskIsMemory = diskIsMemory
        }
    }

    /// Memory that can be freed for sessions.
    package struct ReclaimableMemory: Sendable {
        /// How many bytes could be freed, or are being freed already.
        let bytes: @Sendable () -> Int
        /// Begins to free at least so many bytes.
        let reclaim: @Sendable (Int) -> Void

        /// Memory of some kind.
        package init(bytes: @escaping @Sendable () -> Int, reclaim: @escaping @Sendable (Int) -> Void) {
            self.bytes = bytes
            self.reclaim = reclaim
        }

        /// There is none.
        package static let none = ReclaimableMemory(bytes: { 0 }, reclaim: { _ in })
    }

    /// What a synthesis takes, in bytes.
    package struct Need: Sendable, Hashable {
        /// Memory of the guest and what its emulator takes beside it.
        package var memory: Int
        /// Disk space of what the overlay brings.
        package var disk: Int

        /// Names a need.
        package init(memory: Int, disk: Int) {
            self.memory = memory
            self.disk = disk
        }
    }
}
