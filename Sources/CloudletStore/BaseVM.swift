public import CloudletCore
import Foundation
import GRDB
import SystemPackage

/// A base VM as the registry knows it.
public struct BaseVM: Hashable, Sendable {
    /// Its files.
    public let files: BaseFiles
    /// Its identity: SHA-256 of the disk.
    public let hash: SHA256Digest
    /// SHA-256 of the memory snapshot.
    public let memoryHash: SHA256Digest
    /// Bytes of the disk.
    public let diskBytes: Int
    /// Time of the disk's last change, nanoseconds since 1970; another one means that somebody wrote to it.
    public let diskModified: Int
    /// Bytes of guest RAM.
    public let memoryBytes: Int
    /// `kvm` or `tcg`.
    public let accelerator: String
    /// When it was registered, seconds since 1970.
    public let created: Int

    /// Describes a base VM.
    public init(
        files: BaseFiles, hash: SHA256Digest, memoryHash: SHA256Digest, diskBytes: Int, diskModified: Int,
        memoryBytes: Int, accelerator: String, created: Int
    ) {
        self.files = files
        self.hash = hash
        self.memoryHash = memoryHash
        self.diskBytes = diskBytes
        self.diskModified = diskModified
        self.memoryBytes = memoryBytes
        self.accelerator = accelerator
        self.created = created
    }
}

/// The row of a base VM. `disk_path` and `hash_value` are the original's columns.
struct BaseVMRow: Codable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "base_vm"

    let disk_path: String
    let hash_value: String
    let memory_hash: String
    let disk_bytes: Int
    let disk_modified: Int
    let memory_bytes: Int
    let accelerator: String
    let created: Int

    init(_ base: BaseVM) {
        disk_path = base.files.disk.string
        hash_value = base.hash.hex
        memory_hash = base.memoryHash.hex
        disk_bytes = base.diskBytes
        disk_modified = base.diskModified
        memory_bytes = base.memoryBytes
        accelerator = base.accelerator
        created = base.created
    }

    func baseVM() throws(CloudletError) -> BaseVM {
        guard let hash = SHA256Digest(hex: hash_value), let memoryHash = SHA256Digest(hex: memory_hash) else {
            throw CloudletError(
                .badData, "the registry's entry for \(disk_path) is damaged",
                advice: "remove it with 'cloudlet del-base' and add it again")
        }
        return BaseVM(
            files: BaseFiles(disk: FilePath(disk_path)), hash: hash, memoryHash: memoryHash, diskBytes: disk_bytes,
            diskModified: disk_modified, memoryBytes: memory_bytes, accelerator: accelerator, created: created)
    }
}
