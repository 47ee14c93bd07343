package import CloudletCore
import CloudletHypervisor
import CloudletOverlay
package import CloudletStore
import CloudletSystem
package import SystemPackage

/// Registers base VMs whose files are there already, and gives their disks back.
package struct BaseImport: Sendable {
    private let registry: Registry

    /// Uses this registry.
    package init(registry: Registry) { self.registry = registry }

    /// Checks the files of a base VM against its seal and registers it. Without a seal, or when the identity is to be proved,
    /// hashes them whole and writes its hash lists anew.
    /// - Parameters:
    ///   - disk: absolute path of the disk, with a memory snapshot beside it.
    ///   - expected: the identity the disk must be proved to have; `nil` to believe its seal.
    /// - Returns: the registry's entry.
    /// - Throws: `CloudletError.badData` when the files are not those of a base VM or the hash differs; nothing is registered then.
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
        if expected == nil, let seal = try BaseManifest(of: files) {
            return try await add(files, seal, noted: noted, accelerator)
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
            // Where nothing can be written, lists that are as their maker left them will do.
            guard error.code == .permission, let seal = try BaseManifest(of: files) else { throw error }
            let hash = try await WorkerPool.background.run { () throws(CloudletError) in
                try DiskFingerprint.identity(of: try File(disk, .read))
            }
            guard hash == expected ?? hash, hash == seal.hash else {
                throw Self.other(disk, hash, expected ?? seal.hash)
            }
            return try await add(files, seal, noted: noted, accelerator)
        }
    }

    private static func other(_ disk: FilePath, _ hash: SHA256Digest, _ wanted: SHA256Digest) -> CloudletError {
        CloudletError(
            .badData, "\(disk) has the hash \(hash), not \(wanted)",
            advice: "the disk is damaged or another one; copy it again")
    }

    /// Registers a base VM whose files are as its maker left them.
    private func add(
        _ files: BaseFiles, _ seal: BaseManifest, noted: SHA256Digest?, _ accelerator: MachineDescription.Accelerator
    ) async throws(CloudletError) -> BaseVM {
        guard noted == nil || noted == seal.hash else {
            throw CloudletError(
                .badData, "\(files.hash) and \(files.seal) name different disks", advice: "copy all its files again")
        }
        for (name, path) in files.sealed {
            guard let digest = seal.data[name], try await DataDigest.of(try File(path, .read)) == digest else {
                throw CloudletError(
                    .badData, "\(path) is not as the maker of the base VM left it",
                    advice: "copy all its files again, or remove \(files.seal) to have them hashed anew")
            }
        }
        // Whoever copied them may not have waited until they were on the disk.
        for (_, path) in files.sealed { try File(path, .read).synchronize() }
        try Directory.synchronize(files.disk.removingLastComponent())
        let writer = BaseFileWriter(disk: files.disk)
        let base = try BaseFileWriter.record(
            files, try File(files.disk, .read), try File(files.memory, .read), seal, accelerator)
        try writer.protectDisk()
        let stamped = try writer.stamped(base)
        try registry.add(stamped)
        return stamped
    }

    /// The identity noted in `.base-hash`, when there is such a file.
    private func notedHash(_ files: BaseFiles) throws(CloudletError) -> SHA256Digest? {
        guard try FileStatus.of(files.hash) != nil else { return nil }
        let text = String(decoding: try File(files.hash, .read).read(65, at: 0), as: UTF8.self)
        guard text.utf8.count == 65, text.hasSuffix("\n"), let hash = SHA256Digest(hex: text.dropLast()) else {
            throw CloudletError(.badData, "\(files.hash) is damaged", advice: "remove it to have it written anew")
        }
        return hash
    }

    /// Gives back the rights to write to the disk of a disk that is no longer a base VM's: those that were taken away when it
    /// became one. A mode that somebody has set since is left.
    /// - Returns: whether it is known which rights these are. Where it isn't, the disk stays as it is: one that was never
    ///   to be written to must not become writable.
    package static func unprotect(_ base: BaseVM) throws(CloudletError) -> Bool {
        guard try FileStatus.of(base.files.disk) != nil else { return true }
        guard let former = base.diskPermissions else { return false }
        let disk = try File(base.files.disk, .read)
        let permissions = try disk.status().permissions
        if permissions != former, permissions == former & ~0o222 { try disk.setPermissionsIfAllowed(former) }
        return true
    }
}
