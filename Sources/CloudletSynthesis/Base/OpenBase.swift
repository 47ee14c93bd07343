// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
package import CloudletOverlay
package import CloudletStore
import CloudletSystem

/// A base VM with its files open and checked: overlays are made from it and VMs are rebuilt on it.
package struct OpenBase: Sendable {
    /// The registry's entry.
    package let record: BaseVM
    /// Disk and memory snapshot.
    package let images: BaseImages
    /// The memory snapshot's parts.
    package let snapshot: SnapshotFile

    /// The status of the files when they were opened.
    private let stamp: BaseStamp
    private let memoryStatus: FileStatus

    /// Opens the files of a base VM and checks that they have not changed since they were registered. If their file
    /// status is the same, nothing is read. Otherwise their content is checked, and the result is stored in the
    /// registry.
    /// - Throws: `CloudletError.badData` when the disk or the memory snapshot was changed after its registration, or is
    ///   damaged; `notFound` when one is missing; `io` when one can't be read.
    package static func open(_ record: BaseVM, in registry: some BaseRegister) async throws(CloudletError) -> OpenBase {
        do throws(CloudletError) {
            let base = try OpenBase(opening: record)
            if base.stamp == record.seen { return base }
            if base.stamp == record.refused { throw base.changed }
            // Only one task checks at a time, so that the others can use its result.
            try await looking.acquire()
            defer { looking.release() }
            let latest = try await registry.base(disk: record.files.disk) ?? record
            if base.stamp == latest.refused { throw base.changed }
            if base.stamp == latest.seen { return try OpenBase(opening: latest) }
            let isAsRegistered = try await base.hasContent(of: latest)
            guard try base.stampNow() == base.stamp else {
                throw CloudletError(
                    .busy, "the files of \(record.files.disk) change while they are examined",
                    advice: "end the program that writes to them and try again")
            }
            // If the result can't be stored, the next caller checks again.
            try? await registry.note(base.stamp, isAsRegistered: isAsRegistered, of: record.files.disk)
            guard isAsRegistered else { throw base.changed }
            var found = latest
            found.seen = base.stamp
            return try OpenBase(opening: found)
        } catch {
            throw error.during("base VM \(record.hash.short) can't be used")
        }
    }

    private static let looking = AsyncSemaphore(1)

    private init(opening record: BaseVM) throws(CloudletError) {
        self.record = record
        let disk = try File(record.files.disk, .read)
        let memory = try File(record.files.memory, .read)
        memoryStatus = try memory.status()
        stamp = BaseStamp(disk: try disk.status(), memory: memoryStatus)
        images = try BaseImages(disk: disk, memory: memory)
        snapshot = try SnapshotFile(memory)
    }

    private func stampNow() throws(CloudletError) -> BaseStamp {
        BaseStamp(disk: try images.disk.status(), memory: try snapshot.file.status())
    }

    /// Whether the files have the registered content. Compares the fingerprints, which skip holes, or for an entry
    /// without fingerprints the identities.
    private func hasContent(of record: BaseVM) async throws(CloudletError) -> Bool {
        guard images.diskSize == record.diskBytes else { return false }
        if let data = record.data {
            guard try await DataDigest.of(snapshot.file) == data.memory else { return false }
            return try await DataDigest.of(images.disk) == data.disk
        }
        let (disk, memory, pool) = (images.disk, snapshot.file, WorkerPool.background)
        async let diskHash = pool.run { () throws(CloudletError) in try DiskFingerprint.identity(of: disk) }
        async let memoryHash = pool.run { () throws(CloudletError) in try MemoryFingerprint.identity(of: memory) }
        do {
            let hashes = (disk: try await diskHash, memory: try await memoryHash)
            return hashes.disk == record.hash && hashes.memory == record.memoryHash
        } catch {
            throw .wrapping(error, .io, "can't hash the base VM")
        }
    }

    private var changed: CloudletError {
        CloudletError(
            .badData,
            "its disk \(record.files.disk) or its memory snapshot \(record.files.memory) was changed after it became a base VM",
            advice: "copy both again from an intact copy; overlays of this base VM fit no other base VM")
    }

    /// Throws when the memory snapshot was changed after it was opened.
    func requireUnchangedMemory() throws(CloudletError) {
        let now = try snapshot.file.status()
        guard BaseStamp(disk: now, memory: now) == BaseStamp(disk: memoryStatus, memory: memoryStatus) else {
            throw CloudletError(
                .io, "\(record.files.memory) was changed while it was read",
                advice: "end the program that writes to it and try again")
        }
    }

    /// The page hashes.
    package func index() throws(CloudletError) -> BaseIndex {
        BaseIndex(
            images: images, disk: try SortedHashList(try File(record.files.diskHashes, .read)),
            memory: try SortedHashList(try File(record.files.memoryIndex, .read)))
    }

    /// The virtual hardware of every VM on this base.
    package var machine: MachineDescription { snapshot.description.machine }
}
