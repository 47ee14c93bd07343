// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletHypervisor
import CloudletOverlay
package import CloudletStore
import CloudletSystem
package import SystemPackage

/// Registers base VMs whose files already exist, and makes disks writable again when they are no longer base VMs.
package struct BaseImport: Sendable {
    private let registry: Registry

    /// Uses this registry.
    package init(registry: Registry) { self.registry = registry }

    /// Checks the files of a base VM against its manifest and registers it. Without one, or when the caller names an
    /// expected identity, hashes all files and writes new hash lists.
    /// - Parameters:
    ///   - disk: absolute path of the disk, with a memory snapshot beside it.
    ///   - expected: the identity that the disk must have, checked by hashing the disk; `nil` to trust its manifest.
    /// - Returns: the registry's entry.
    /// - Throws: `CloudletError.badData` when the files are not those of a base VM or the hash differs. Then nothing is
    ///   registered.
    package func add(_ disk: FilePath, expected: SHA256Digest?) async throws(CloudletError) -> BaseVM {
        let files = BaseFiles(disk: disk)
        try DiskImageCheck.requireBootableRaw(try File(disk, .read))
        try BaseFileWriter.recover(files)
        guard try FileStatus.of(files.memory) != nil else {
            throw CloudletError(
                .notFound, "\(disk) has no memory snapshot \(files.memory)",
                advice: "copy all files of the base VM, or make one with 'cloudlet base'")
        }
        if try registry.base(disk: disk) != nil {
            throw CloudletError(.cannotCreate, "\(disk) is registered already", advice: "see 'cloudlet list-base'")
        }
        let snapshot = try SnapshotFile(try File(files.memory, .read))
        let noted = try notedHash(files)
        let accelerator = snapshot.description.machine.accelerator
        if expected == nil, let manifest = try BaseManifest(of: files) {
            return try await add(files, manifest, noted: noted, accelerator)
        }
        let writer = BaseFileWriter(disk: disk)
        do throws(CloudletError) {
            let base = try await writer.writeHashes(accelerator: accelerator)
            for wanted in [expected, noted].compactMap({ $0 }) where wanted != base.hash {
                throw Self.other(disk, base.hash, wanted)
            }
            try writer.publish()
            let stamped = try writer.stamped(base)
            try registry.add(stamped)
            return stamped
        } catch {
            writer.discard()
            // In a read-only directory, use the existing hash lists if they still match the manifest.
            guard error.code == .permission, let manifest = try BaseManifest(of: files) else { throw error }
            let hash = try await WorkerPool.background.run { () throws(CloudletError) in
                try DiskFingerprint.identity(of: try File(disk, .read))
            }
            guard hash == expected ?? hash, hash == manifest.hash else {
                throw Self.other(disk, hash, expected ?? manifest.hash)
            }
            return try await add(files, manifest, noted: noted, accelerator)
        }
    }

    private static func other(_ disk: FilePath, _ hash: SHA256Digest, _ wanted: SHA256Digest) -> CloudletError {
        CloudletError(
            .badData, "\(disk) has the hash \(hash), not \(wanted)",
            advice: "the disk is damaged or is another one; copy it again")
    }

    /// Registers a base VM whose files match its manifest.
    private func add(
        _ files: BaseFiles, _ manifest: BaseManifest, noted: SHA256Digest?,
        _ accelerator: MachineDescription.Accelerator
    ) async throws(CloudletError) -> BaseVM {
        guard noted == nil || noted == manifest.hash else {
            throw CloudletError(
                .badData, "\(files.hash) and \(files.manifest) name different disks", advice: "copy all its files again"
            )
        }
        for (name, path) in files.inManifest {
            guard let digest = manifest.data[name], try await DataDigest.of(try File(path, .read)) == digest else {
                throw CloudletError(
                    .badData, "\(path) does not match the manifest \(files.manifest)",
                    advice: "copy all files of the base VM again, or remove the manifest to have them hashed again")
            }
        }
        // The program that copied the files may not have waited until they were on the disk.
        for (_, path) in files.inManifest { try File(path, .read).synchronize() }
        try Directory.synchronize(files.disk.removingLastComponent())
        let writer = BaseFileWriter(disk: files.disk)
        let base = try BaseFileWriter.record(
            files, try File(files.disk, .read), try File(files.memory, .read), manifest, accelerator)
        try writer.protectDisk()
        let stamped = try writer.stamped(base)
        try registry.add(stamped)
        return stamped
    }

    /// The identity in the file `.base-hash`, if that file exists.
    private func notedHash(_ files: BaseFiles) throws(CloudletError) -> SHA256Digest? {
        guard try FileStatus.of(files.hash) != nil else { return nil }
        let text = String(decoding: try File(files.hash, .read).read(65, at: 0), as: UTF8.self)
        guard text.utf8.count == 65, text.hasSuffix("\n"), let hash = SHA256Digest(hex: text.dropLast()) else {
            throw CloudletError(.badData, "\(files.hash) is damaged", advice: "remove it; it will be written again")
        }
        return hash
    }

    /// Makes the disk of a former base VM writable again: restores the mode that it had before it became a base VM. If
    /// somebody has changed the mode since, it stays as it is.
    /// - Returns: whether the former mode is known. If not, the disk stays as it is, because it may have been read-only
    ///   before it became a base VM.
    package static func unprotect(_ base: BaseVM) throws(CloudletError) -> Bool {
        guard try FileStatus.of(base.files.disk) != nil else { return true }
        guard let former = base.diskPermissions else { return false }
        let disk = try File(base.files.disk, .read)
        let permissions = try disk.status().permissions
        if permissions != former, permissions == former & ~0o222 { try disk.setPermissionsIfAllowed(former) }
        return true
    }
}
