import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import FoundationEssentials
import SystemPackage

/// Writes the files of a base VM, which get their names, write-protected, when all are complete and on the disk. The
/// seal's name decides (see ``Publication``).
struct BaseFileWriter: Sendable {
    private let files: BaseFiles
    private let publication = Publication()

    init(disk: FilePath) { files = BaseFiles(disk: disk) }

    private static let permissions: UInt32 = 0o444
    /// A guest's memory, and what tells of its pages: keys and passwords are in there.
    private static let secret: UInt32 = 0o440

    /// Completes the files of a base VM whose writer was killed while they got their names, and removes those of one that
    /// was killed before.
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

    /// Hashes disk and memory and writes the lists. The disk must not change any more, nor a snapshot that was there
    /// before.
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
        // The identities are chains over whole files, one core each; the lists take what is left.
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
        let sealed = [disk, memory, lists.disk, lists.memory, lists.index]
        for (entry, file) in zip(files.sealed, sealed) { data[entry.name] = try await DataDigest.of(file) }
        let seal = BaseManifest(hash: hashes.disk, memoryHash: hashes.memory, data: data)
        try create(files.seal).write(try seal.text(), at: 0)
        for (file, status) in [(disk, before.disk), (memory, before.memory)]
        where try file.status().modified != status.modified {
            throw CloudletError(
                .busy, "\(file.path) was changed while it was hashed",
                advice: "end the program that writes to it and try again")
        }
        return try Self.record(files, disk, memory, seal, accelerator)
    }

    /// The registry's entry of a base VM. To be made before its disk is protected, so that the disk's mode is in it.
    static func record(
        _ files: BaseFiles, _ disk: File, _ memory: File, _ seal: BaseManifest,
        _ accelerator: MachineDescription.Accelerator
    ) throws(CloudletError) -> BaseVM {
        var base = BaseVM(
            files: files, hash: seal.hash, memoryHash: seal.memoryHash, diskBytes: try disk.size(),
            diskModified: try disk.status().modified, memoryBytes: try SnapshotFile(memory).layout.memoryBytes,
            accelerator: accelerator.rawValue, created: Int(Date().timeIntervalSince1970))
        base.data = seal.imageData
        base.diskPermissions = try disk.status().permissions
        return base
    }

    /// A file for sorting that nobody else sees: it is gone when it is closed.
    private func sortingFile() throws(CloudletError) -> File {
        try File.unnamed(in: files.disk.removingLastComponent())
    }

    /// Gives the files their names and takes away the right to write to the disk. All of the base VM is on the disk then.
    func publish() throws(CloudletError) {
        try File(files.disk, .read).synchronize()
        if publication.file(of: files.memory) == nil { try File(files.memory, .read).synchronize() }
        try publication.publish()
        try protectDisk()
    }

    /// Takes away the right to write to the disk.
    func protectDisk() throws(CloudletError) {
        let disk = try File(files.disk, .read)
        let permissions = try disk.status().permissions
        // A change that changes nothing would still look like one (see ``BaseStamp``), and on an image layer copy the disk.
        if permissions & 0o222 != 0 { try disk.setPermissionsIfAllowed(permissions & ~0o222) }
    }

    /// Notes in an entry what the file system says of the images now, when nothing more is done to them.
    func stamped(_ base: BaseVM) throws(CloudletError) -> BaseVM {
        var base = base
        base.seen = BaseStamp(
            disk: try File(files.disk, .read).status(), memory: try File(files.memory, .read).status())
        return base
    }

    /// Removes what was written under temporary names.
    func discard() { publication.discard() }

    /// Whether all files are there, and only some have not got their names yet: the next one to look for them completes that.
    var isDecided: Bool {
        let names = (try? Directory.names(in: files.disk.removingLastComponent())) ?? []
        return names.contains { $0.hasPrefix("\(files.seal.lastComponent?.string ?? "").commit-") }
    }
}
