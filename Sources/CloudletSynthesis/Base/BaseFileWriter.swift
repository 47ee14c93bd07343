// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import FoundationEssentials
import SystemPackage

/// Writes the files of a base VM. They get their names, write-protected, only when all are complete and on the disk.
/// The base VM exists from the moment the manifest has its name (see ``Publication``).
struct BaseFileWriter: Sendable {
    private let files: BaseFiles
    private let publication = Publication()

    init(disk: FilePath) { files = BaseFiles(disk: disk) }

    private static let permissions: UInt32 = 0o444
    /// For the guest's memory and the hashes of its pages: the memory can contain keys and passwords.
    private static let secret: UInt32 = 0o440

    /// Completes the files of a base VM whose writer was killed while it named them. Removes files of a writer that was
    /// killed earlier.
    static func recover(_ files: BaseFiles) throws(CloudletError) { try Publication.recover(files.derived) }

    private func create(_ path: FilePath, permissions: UInt32 = permissions) throws(CloudletError) -> File {
        try publication.create(path, permissions: permissions)
    }

    /// Writes the memory snapshot: RAM without its zeros, description, device state, footer.
    func writeMemory(
        _ memory: SharedMemory, state: [UInt8], _ description: VMDescription, emulator: String
    ) async throws(CloudletError) {
        let file = try create(files.memory, permissions: Self.secret)
        try SnapshotFile.writeTail(description, state: state, emulator: emulator, to: file)
        try await MemoryCopy.copy(0..<memory.size, from: memory, to: file)
    }

    /// Hashes disk and memory and writes the lists. The disk and an already existing snapshot must not change any more.
    func writeHashes(
        accelerator: MachineDescription.Accelerator
    ) async throws(CloudletError) -> BaseVM {
        let disk = try File(files.disk, .read)
        let memory = if let new = publication.file(of: files.memory) { new } else { try File(files.memory, .read) }
        let before = (disk: try disk.status(), memory: try memory.status())
        let lists = (
            disk: try create(files.diskHashes), memory: try create(files.memoryHashes, permissions: Self.secret),
            index: try create(files.memoryIndex, permissions: Self.secret)
        )
        // The identities are hash chains over whole files, and each uses one core. The lists use the remaining cores.
        let chains = WorkerPool.background
        async let diskHash = chains.run { () throws(CloudletError) in try DiskFingerprint.identity(of: disk) }
        async let memoryHash = chains.run { () throws(CloudletError) in try MemoryFingerprint.identity(of: memory) }
        try await MemoryFingerprint.writeHashLists(
            of: memory, to: lists.memory, index: lists.index,
            makeScratch: { (_) throws(CloudletError) in try sortingFile() })
        try await DiskFingerprint.writeHashList(of: disk, to: lists.disk) { (_) throws(CloudletError) in
            try sortingFile()
        }
        let hashes: (disk: SHA256Digest, memory: SHA256Digest)
        do { hashes = (try await diskHash, try await memoryHash) } catch {
            throw .wrapping(error, .io, "can't hash the base VM")
        }
        try create(files.hash).write(Array((hashes.disk.hex + "\n").utf8), at: 0)
        var data: [String: SHA256Digest] = [:]
        let listed = [disk, memory, lists.disk, lists.memory, lists.index]
        for (entry, file) in zip(files.inManifest, listed) { data[entry.name] = try await DataDigest.of(file) }
        let manifest = BaseManifest(hash: hashes.disk, memoryHash: hashes.memory, data: data)
        try create(files.manifest).write(try manifest.text(), at: 0)
        for (file, status) in [(disk, before.disk), (memory, before.memory)]
        where try file.status().modified != status.modified {
            throw CloudletError(
                .busy, "\(file.path) was changed while it was hashed",
                advice: "end the program that writes to it and try again")
        }
        return try Self.record(files, disk, memory, manifest, accelerator)
    }

    /// The registry's entry of a base VM. Make it before the disk is protected, to store the disk's original mode.
    static func record(
        _ files: BaseFiles, _ disk: File, _ memory: File, _ manifest: BaseManifest,
        _ accelerator: MachineDescription.Accelerator
    ) throws(CloudletError) -> BaseVM {
        var base = BaseVM(
            files: files, hash: manifest.hash, memoryHash: manifest.memoryHash, diskBytes: try disk.size(),
            diskModified: try disk.status().modified, memoryBytes: try SnapshotFile(memory).layout.memoryBytes,
            accelerator: accelerator.rawValue, created: Int(Date().timeIntervalSince1970))
        base.data = manifest.imageData
        base.diskPermissions = try disk.status().permissions
        return base
    }

    /// A file for sorting that has no name and is deleted when it is closed.
    private func sortingFile() throws(CloudletError) -> File {
        try File.unnamed(in: files.disk.removingLastComponent())
    }

    /// Gives the files their names and makes the disk read-only. Afterwards the whole base VM is on the disk.
    func publish() throws(CloudletError) {
        try File(files.disk, .read).synchronize()
        if publication.file(of: files.memory) == nil { try File(files.memory, .read).synchronize() }
        try publication.publish()
        try protectDisk()
    }

    /// Makes the disk read-only.
    func protectDisk() throws(CloudletError) {
        let disk = try File(files.disk, .read)
        let permissions = try disk.status().permissions
        // Setting the same mode again would still count as a change (see ``BaseStamp``), and on an overlay file system
        // it would copy the whole disk.
        if permissions & 0o222 != 0 { try disk.setPermissionsIfAllowed(permissions & ~0o222) }
    }

    /// Stores in an entry the current file status of the images. Call it after the last change to them.
    func stamped(_ base: BaseVM) throws(CloudletError) -> BaseVM {
        var base = base
        base.seen = BaseStamp(
            disk: try File(files.disk, .read).status(), memory: try File(files.memory, .read).status())
        return base
    }

    /// Removes the files that still have temporary names.
    func discard() { publication.discard() }

    /// Whether all files are complete and only some lack their final names. The next ``recover(_:)`` then names them.
    var isDecided: Bool {
        let names = (try? Directory.names(in: files.disk.removingLastComponent())) ?? []
        return names.contains { $0.hasPrefix("\(files.manifest.lastComponent?.string ?? "").commit-") }
    }
}
