public import CloudletCore
public import CloudletHypervisor
public import CloudletOverlay
public import CloudletStore
import CloudletSystem

/// A base VM with its files open and checked: what overlays are cut from and VMs are rebuilt on.
public struct OpenBase: Sendable {
    /// The registry's entry.
    public let record: BaseVM
    /// Disk and memory snapshot.
    public let images: BaseImages
    /// The memory snapshot's parts.
    public let snapshot: SnapshotFile

    /// Opens the files of a base VM.
    /// - Throws: `CloudletError.badData` when the disk was changed since it was registered, or a file is damaged;
    ///   `notFound` when one is missing.
    public init(_ record: BaseVM) throws(CloudletError) {
        self.record = record
        do throws(CloudletError) {
            let disk = try File(record.files.disk, .read)
            let memory = try File(record.files.memory, .read)
            let status = try disk.status()
            guard status.size == record.diskBytes, status.modified == record.diskModified else {
                throw CloudletError(
                    .badData, "its disk \(record.files.disk) was changed after it became a base VM",
                    advice: "restore the disk, or make the base VM anew: 'cloudlet del-base', then 'cloudlet base'")
            }
            images = try BaseImages(disk: disk, memory: memory)
            snapshot = try SnapshotFile(memory)
        } catch {
            throw error.during("base VM \(record.hash.short) can't be used")
        }
    }

    /// The page hashes, mapped.
    public func index() throws(CloudletError) -> BaseIndex {
        BaseIndex(
            images: images, disk: try SortedHashList(try File(record.files.diskHashes, .read)),
            memory: try SortedHashList(try File(record.files.memoryIndex, .read)))
    }

    /// The virtual hardware of every VM on this base.
    public var machine: MachineDescription { snapshot.description.machine }
}
