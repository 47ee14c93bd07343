// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Foundation
import GRDB
import SystemPackage

/// A base VM as it is registered.
package struct BaseVM: Hashable, Sendable {
    /// Its files.
    package let files: BaseFiles
    /// Its identity: SHA-256 of the disk.
    package let hash: SHA256Digest
    /// SHA-256 of the memory snapshot.
    package let memoryHash: SHA256Digest
    /// Size of the disk in bytes.
    package let diskBytes: Int
    /// The disk's modification time when it was registered, in nanoseconds since 1970.
    package let diskModified: Int
    /// Guest RAM in bytes.
    package let memoryBytes: Int
    /// The accelerator, `kvm` or `tcg`.
    package let accelerator: String
    /// When it was registered, in seconds since 1970.
    package let created: Int
    /// The disk's permission bits before it was write-protected; `nil` if they are not known, as for base VMs
    /// registered by an earlier version.
    package var diskPermissions: UInt32?
    /// Fingerprints of its images, with which they can be checked quickly; `nil` if it was registered by an earlier
    /// version.
    package var data: ImageData?
    /// The stamp of the images when they were last found unchanged.
    package var seen: BaseStamp?
    /// The stamp of the images when they were last found changed.
    package var refused: BaseStamp?

    /// Fingerprints of the data of both images, as in a manifest.
    package struct ImageData: Hashable, Sendable {
        /// The disk's.
        package let disk: SHA256Digest
        /// The memory snapshot's.
        package let memory: SHA256Digest

        /// Creates a pair of fingerprints.
        package init(disk: SHA256Digest, memory: SHA256Digest) { (self.disk, self.memory) = (disk, memory) }
    }

    /// Creates a description of a base VM.
    package init(
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
    let disk_data: String?
    let memory_data: String?
    let seen: String?
    let refused: String?
    let disk_mode: Int?

    init(_ base: BaseVM) {
        disk_path = base.files.disk.string
        hash_value = base.hash.hex
        memory_hash = base.memoryHash.hex
        disk_bytes = base.diskBytes
        disk_modified = base.diskModified
        memory_bytes = base.memoryBytes
        accelerator = base.accelerator
        created = base.created
        disk_data = base.data?.disk.hex
        memory_data = base.data?.memory.hex
        seen = base.seen?.text
        refused = base.refused?.text
        disk_mode = base.diskPermissions.map(Int.init)
    }
}

/// An entry of the registry as it is stored, which may be damaged.
struct BaseVMEntry: Sendable {
    let disk: FilePath
    private let row: BaseVMRow?

    init(_ row: Row) {
        disk = FilePath(String.fromDatabaseValue(row["disk_path"]) ?? "")
        self.row = try? BaseVMRow(row: row)
    }

    /// No valid size or time is larger than this.
    private static let most = 1 << 60

    /// Converts the entry into a base VM.
    /// - Throws: `CloudletError.badData` when the entry has impossible values.
    func baseVM() throws(CloudletError) -> BaseVM {
        guard let row, let hash = SHA256Digest(hex: row.hash_value),
            let memoryHash = SHA256Digest(hex: row.memory_hash),
            [row.disk_bytes, row.memory_bytes].allSatisfy({ (0...Self.most).contains($0) }), disk.isAbsolute
        else {
            throw CloudletError(
                .badData, "the registry's entry for \(disk) is damaged",
                advice: "remove it, and add the base VM again; run: "
                    + Shell.command("cloudlet", "del-base", disk.string))
        }
        var base = BaseVM(
            files: BaseFiles(disk: disk), hash: hash, memoryHash: memoryHash, diskBytes: row.disk_bytes,
            diskModified: row.disk_modified, memoryBytes: row.memory_bytes, accelerator: row.accelerator,
            created: row.created)
        if let disk = row.disk_data.flatMap({ SHA256Digest(hex: $0) }),
            let memory = row.memory_data.flatMap({ SHA256Digest(hex: $0) })
        {
            base.data = .init(disk: disk, memory: memory)
        }
        base.diskPermissions = row.disk_mode.flatMap { UInt32(exactly: $0) }.map { $0 & 0o7777 }
        base.seen = row.seen.map(BaseStamp.init(text:))
        base.refused = row.refused.map(BaseStamp.init(text:))
        return base
    }
}
