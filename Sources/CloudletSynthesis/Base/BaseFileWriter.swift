import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import FoundationEssentials
import SystemPackage

/// Writes the files of a base VM under temporary names and gives them their real ones, write-protected, when all are
/// complete.
struct BaseFileWriter: Sendable {
    private let files: BaseFiles
    private let suffix = ".part-\(String(UInt32.random(in: 0 ... .max), radix: 36))"

    init(disk: FilePath) { files = BaseFiles(disk: disk) }

    private func part(_ path: FilePath) -> FilePath { FilePath(path.string + suffix) }

    private func create(_ path: FilePath) throws(CloudletError) -> File {
        try File(part(path), .create(permissions: 0o644))
    }

    /// Writes the memory snapshot: RAM without its zeros, description, device state, footer.
    func writeMemory(
        _ memory: SharedMemory, state: [UInt8], _ description: VMDescription, emulator: String
    ) async throws(CloudletError) {
        let file = try create(files.memory)
        try SnapshotFile.writeTail(description, state: state, emulator: emulator, to: file)
        try await MemoryCopy.copy(0..<memory.size, from: memory, to: file)
        try file.synchronize()
    }

    /// Hashes disk and memory and writes the lists. The disk must not change any more. `memoryIsPublished` says that
    /// the snapshot has its real name already.
    func writeHashes(
        accelerator: MachineDescription.Accelerator, memoryIsPublished: Bool = false
    ) async throws(CloudletError) -> BaseVM {
        let disk = try File(files.disk, .read)
        let memory = try File(memoryIsPublished ? files.memory : part(files.memory), .read)
        let lists = (
            disk: try create(files.diskHashes), memory: try create(files.memoryHashes),
            index: try create(files.memoryIndex)
        )
        // The identities are chains over whole files, one core each; the lists take what is left.
        let chains = WorkerPool.background
        async let diskHash = chains.run { () throws(CloudletError) in try DiskFingerprint.identity(of: disk) }
        async let memoryHash = chains.run { () throws(CloudletError) in try MemoryFingerprint.identity(of: memory) }
        try await MemoryFingerprint.writeHashLists(
            of: memory, to: lists.memory, index: lists.index,
            makeScratch: { (number) throws(CloudletError) in
                try sortingFile("memory", number)
            })
        try await DiskFingerprint.writeHashList(of: disk, to: lists.disk) { (number) throws(CloudletError) in
            try sortingFile("disk", number)
        }
        let hashes: (disk: SHA256Digest, memory: SHA256Digest)
        do { hashes = (try await diskHash, try await memoryHash) } catch {
            throw .wrapping(error, .io, "can't hash the base VM")
        }
        try create(files.hash).write(Array((hashes.disk.hex + "\n").utf8), at: 0)
        var data: [String: SHA256Digest] = [:]
        let sealed = [disk, memory, lists.disk, lists.memory, lists.index]
        for (entry, file) in zip(files.sealed, sealed) { data[entry.name] = try await DataDigest.of(file) }
        let seal = BaseSeal(hash: hashes.disk, memoryHash: hashes.memory, data: data)
        try create(files.seal).write(try seal.text(), at: 0)
        return try Self.record(files, disk, memory, hash: hashes.disk, memoryHash: hashes.memory, accelerator)
    }

    /// The registry's entry of a base VM.
    static func record(
        _ files: BaseFiles, _ disk: File, _ memory: File, hash: SHA256Digest, memoryHash: SHA256Digest,
        _ accelerator: MachineDescription.Accelerator
    ) throws(CloudletError) -> BaseVM {
        BaseVM(
            files: files, hash: hash, memoryHash: memoryHash, diskBytes: try disk.size(),
            diskModified: try disk.status().modified, memoryBytes: try SnapshotFile(memory).layout.memoryBytes,
            accelerator: accelerator.rawValue, created: Int(Date().timeIntervalSince1970))
    }

    /// A file for sorting that nobody else sees: it is gone when it is closed.
    private func sortingFile(_ name: String, _ number: Int) throws(CloudletError) -> File {
        let path = FilePath(files.disk.string + "\(suffix)-sort-\(name)-\(number)")
        let file = try File(path, .create(permissions: 0o600))
        try Directory.remove(path)
        return file
    }

    /// Gives the files their real names and takes away the right to write to them and the disk.
    func publish() throws(CloudletError) {
        for path in files.derived where try FileStatus.of(part(path)) != nil {
            try File(part(path), .read).setPermissions(0o444)
            try Directory.move(part(path), to: path)
        }
        try protectDisk()
    }

    /// Takes away the right to write to the disk.
    func protectDisk() throws(CloudletError) {
        let disk = try File(files.disk, .read)
        try disk.setPermissions(try disk.status().permissions & ~0o222)
    }

    /// Removes what was written under temporary names.
    func discard() {
        for path in files.derived { try? Directory.remove(part(path)) }
    }
}
