package import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
package import SystemPackage

extension BaseCreation {
    /// Finds out whether the files of a base VM can be written beside its disk, by writing there, before the VM boots: their
    /// names, also those they have meanwhile, the size of the memory snapshot, and the room.
    /// - Parameters:
    ///   - disk: absolute path of the disk.
    ///   - memoryBytes: the VM's memory.
    /// - Throws: `CloudletError` with what is in the way; nothing is left there in any case.
    package static func requirePlace(_ disk: FilePath, memoryBytes: Int) throws(CloudletError) {
        guard disk.string.utf8.count <= QCOW2Image.longestBackingPath else {
            throw CloudletError(
                .usage, "the disk's path is longer than \(QCOW2Image.longestBackingPath) bytes: \(disk)",
                advice: "move it to a place with a shorter path")
        }
        let bytes = try File(disk, .readWrite).size()
        let files = BaseFiles(disk: disk)
        for path in files.derived {
            let trial = FilePath(path.string + ".commit-" + String(UInt64.max, radix: 36))
            defer { try? FileSystem.remove(trial) }
            try FileSystem.remove(trial)
            let file = try File(trial, .create(permissions: 0o600))
            if path == files.memory { try file.resize(to: memoryBytes + SnapshotLayout.maximumState) }
        }
        // The lists of the pages' hashes, and what sorting them takes meanwhile.
        let lists = 3 * Page.count(covering: memoryBytes) + 2 * Page.count(covering: bytes)
        let need = memoryBytes + lists * HashRecord.byteCount
        let free = try FileSystem.freeSpace(at: disk.removingLastComponent())
        guard free >= need else {
            throw CloudletError(
                .io,
                "the files of a base VM with \(ByteCount(memoryBytes)) of memory may take \(ByteCount(need)); "
                    + "\(disk.removingLastComponent()) has room for \(ByteCount(free))",
                advice: "make room, move the disk to where there is more, or give the VM less with --memory")
        }
    }
}

/// What a VM that was set up leaves when it has ended: its memory and device state, from which a base VM is made.
struct SavedVM: Sendable {
    let memory: SharedMemory
    let state: [UInt8]
    let description: VMDescription
    let emulator: String

    /// Keeps the snapshot where there is room for it, as its files could not be written beside the disk.
    /// - Returns: what to say, with the commands that make the base VM of it.
    func keep(
        for files: BaseFiles, in places: KeepingPlaces, because error: CloudletError
    ) async throws(CloudletError) -> CloudletError {
        let name = files.memory.lastComponent?.string ?? "base-mem"
        let directory = try await places.fill { (directory) async throws(CloudletError) in
            let file = try File(directory.appending(name), .create(permissions: 0o600))
            try SnapshotFile.writeTail(description, state: state, emulator: emulator, to: file)
            try await MemoryCopy.copy(0..<memory.size, from: memory, to: file)
            try file.synchronize()
        }
        let kept = directory.appending(name)
        let steps = [
            Shell.command("cp", "--sparse=always", kept.string, files.memory.string),
            Shell.command("cloudlet", "add-base", files.disk.string), Shell.command("rm", "-r", directory.string),
        ]
        let givingUp = [
            Shell.command("rm", "-r", directory.string), Shell.command("chmod", "u+w", files.disk.string),
        ]
        let way =
            error.code == .interrupted
            ? "to give it up, run: \(givingUp.joined(separator: " && ")); if the base VM is wanted"
            : error.firstAdvice ?? "mend this"
        return CloudletError(
            error.code, "no base VM was made of \(files.disk) yet; the memory of the VM is kept in \(kept)",
            advice: "\(way), leave the disk as it is; then run: " + steps.joined(separator: " && "), cause: error)
    }
}
