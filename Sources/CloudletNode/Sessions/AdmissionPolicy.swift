// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The inputs of admission: the limits, the resources of the host, and the needs of a synthesis.
extension Admission {
    /// The limits.
    package struct Policy: Sendable, Hashable {
        /// The largest number of VMs; 0 for as many as memory allows.
        package var machines = 0
        /// The largest number of sessions of one client address, including waiting ones.
        package var perClient = 8
        /// The largest number of waiting sessions.
        package var queue = 64
        /// How long a session may wait.
        package var queueTimeout = Duration.seconds(60)
        /// Bytes of memory left to the host.
        package var memoryReserve = 512 << 20
        /// Bytes of disk space left to the host.
        package var diskReserve = 256 << 20

        /// The default limits.
        package init() {}
    }

    /// The resources of the host, in bytes.
    package struct Figures: Sendable {
        /// Total memory.
        package var memory: Int
        /// Available memory.
        package var freeMemory: Int
        /// Free space on the disk that holds scratch files.
        package var freeDisk: Int
        /// Total space of that disk.
        package var disk: Int
        /// Space on that disk that would become free if all VMs ended.
        package var disposableDisk: Int
        /// Whether that disk is in memory (tmpfs).
        package var diskIsMemory: Bool

        /// Creates figures. By default the disk is very large and holds no files of VMs.
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
        /// The number of bytes that could be freed, or are being freed already.
        let bytes: @Sendable () -> Int
        /// Begins to free at least the given number of bytes.
        let reclaim: @Sendable (Int) -> Void

        /// Creates a source of reclaimable memory.
        package init(bytes: @escaping @Sendable () -> Int, reclaim: @escaping @Sendable (Int) -> Void) {
            self.bytes = bytes
            self.reclaim = reclaim
        }

        /// No reclaimable memory.
        package static let none = ReclaimableMemory(bytes: { 0 }, reclaim: { _ in })
    }

    /// The resources that a synthesis needs, in bytes.
    package struct Need: Sendable, Hashable {
        /// Memory of the guest and of its emulator.
        package var memory: Int
        /// Disk space for the contents of the overlay.
        package var disk: Int

        /// Creates a need.
        package init(memory: Int, disk: Int) {
            self.memory = memory
            self.disk = disk
        }
    }
}
