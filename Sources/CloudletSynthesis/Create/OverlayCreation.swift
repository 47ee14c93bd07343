public import CloudletCompression
public import CloudletCore
package import CloudletHypervisor
public import CloudletOverlay
import CloudletStore
import CloudletSystem
public import SystemPackage

/// Cuts an overlay from a customised VM: pauses it, takes its state, ends it, and writes what its disk and memory
/// differ in from the base into a directory of one meta file and compressed blobs.
public struct OverlayCreation: Sendable {
    /// How an overlay is written.
    public struct Options: Sendable {
        /// The file names' first part.
        public var name: String
        /// Bytes of delta items a blob holds before compression; sets when a receiver can begin to decode.
        public var blobBytes = 4 << 20
        /// Compression of the blobs.
        public var compression = Compressor.Options.standard
        /// Bytes of memory for compressors: as many blobs are compressed at once as it bears, on at most all cores.
        public var compressionMemory = 192 << 20
        /// The forwards stored with the overlay.
        public var forwards: [PortForward] = []
        /// A guest port that answers when the application is ready.
        public var readyPort: UInt16?
        /// Whether only the disk is saved: the guest is shut down now and boots at synthesis.
        public var diskOnly = false

        /// Names an overlay.
        public init(name: String) { self.name = name }
    }

    /// What was written.
    public struct Result: Sendable {
        /// The meta file.
        public let metaPath: FilePath
        /// Its content.
        public let meta: OverlayMeta
        /// Items by kind.
        public let statistics: OverlayStatistics
    }

    private let base: OpenBase
    private let options: Options

    /// Prepares to cut an overlay from a VM on `base`.
    public init(base: OpenBase, options: Options) {
        self.base = base
        self.options = options
    }

    /// Refuses a place where an overlay can't go, before any work is done.
    public static func requireFree(_ directory: FilePath) throws(CloudletError) {
        guard let status = try FileStatus.of(directory) else { return }
        guard status.isDirectory, try Directory.names(in: directory).isEmpty else {
            throw CloudletError(
                .cannotCreate, "\(directory) exists and is not empty",
                advice: "remove it, or name another directory with -o")
        }
    }

    /// Pauses the VM, cuts the overlay and ends the VM.
    /// - Parameters:
    ///   - running: the customised VM.
    ///   - directory: where the overlay goes; made anew, and there only when it is complete.
    ///   - times: notes the stages.
    ///   - progress: is told what is done, as a part of 1, of the stage named.
    /// - Returns: what was written.
    /// - Throws: `CloudletError`; no part of the overlay is left then.
    public func cut(
        _ running: RunningVM, into directory: FilePath, times: StageTimes,
        progress: @escaping @Sendable (_ stage: String, _ part: Double) -> Void = { _, _ in }
    ) async throws(CloudletError) -> Result {
        let tail = options.diskOnly ? nil : try await save(running, times)
        if options.diskOnly { try await shutDown(running, times) }
        try await times.measure("end VM") { () async throws(CloudletError) in try await running.machine.destroy() }
        let images = try await images(running, tail)
        return try await write(images, to: directory, times: times, progress: progress)
    }

    /// The images of a customised VM: where they may differ from the base.
    package struct CustomisedImages: Sendable {
        let memory: ChangedImage?
        let disk: ChangedImage
        let guest: GuestSupport?

        /// Joins them; no memory makes an overlay of the disk alone. `guest` is what the guest can do for itself when it goes
        /// on from this memory, if known.
        package init(memory: ChangedImage?, disk: ChangedImage, guest: GuestSupport? = nil) {
            self.memory = memory
            self.disk = disk
            self.guest = guest
        }
    }

    /// Compares the images with the base and writes the overlay.
    package func write(
        _ images: CustomisedImages, to directory: FilePath, times: StageTimes,
        progress: @escaping @Sendable (_ stage: String, _ part: Double) -> Void
    ) async throws(CloudletError) -> Result {
        let extents = (images.memory?.extents ?? []) + images.disk.extents
        let total = Double(max(1, extents.reduce(0) { $0 + $1.range.count }))
        let plan = try await times.measure("compare") { () async throws(CloudletError) -> OverlayPlan in
            try await OverlayPlan.make(
                memory: images.memory, disk: images.disk, base: base.images, index: try base.index(),
                blobBytes: options.blobBytes
            ) { progress("compare", Double($0) / total) }
        }
        return try await times.measure("compress") { () async throws(CloudletError) in
            try await OverlayDirectoryWriter(
                plan: plan, base: .init(base.record), memoryBytes: images.memory?.size ?? 0, guest: images.guest,
                options: options
            ).write(to: directory) { progress("compress", $0) }
        }
    }

    private func save(_ running: RunningVM, _ times: StageTimes) async throws(CloudletError) -> SavedTail {
        guard await running.machine.isActive else {
            throw CloudletError(.unavailable, "the VM has ended, and its memory with it: there is nothing to save")
        }
        let guest = await running.machine.guestSupport()
        return try await times.measure("save state") { () async throws(CloudletError) in
            try await running.machine.pause()
            return try await saveTail(running, guest)
        }
    }

    /// A disk without its memory must be one that a guest has let go of.
    private func shutDown(_ running: RunningVM, _ times: StageTimes) async throws(CloudletError) {
        let done = try await times.measure("shut down") { () async throws(CloudletError) in
            try await running.shutDown()
        }
        guard done else {
            throw CloudletError(
                .unavailable, "the guest did not shut down within a minute of being asked to",
                advice: "let the guest obey the power button (acpid, systemd-logind), or save its memory too")
        }
    }

    /// Writes description, device state and footer: the part of the new snapshot behind its RAM.
    private func saveTail(_ running: RunningVM, _ guest: GuestSupport) async throws(CloudletError) -> SavedTail {
        let state = try await running.machine.saveState()
        var description = running.description
        description.forwards = options.forwards
        description.readyPort = options.readyPort
        description.guest = guest
        let file = try File(running.workFile("new-tail"), .create(permissions: 0o600))
        let layout = try SnapshotFile.writeTail(
            description, state: state, emulator: base.snapshot.layout.emulator, to: file, at: running.memory.size)
        return SavedTail(file: file, fileBytes: layout.fileBytes, guest: guest)
    }

    private struct SavedTail {
        let file: File
        let fileBytes: Int
        let guest: GuestSupport
    }

    private func images(_ running: RunningVM, _ tail: SavedTail?) async throws(CloudletError) -> CustomisedImages {
        var memory: ChangedImage?
        if let tail {
            let ram = try ChangedImage.file(running.memory.file, base: base.snapshot.file, as: .memory)
            memory = ChangedImage(
                .memory, size: tail.fileBytes,
                extents: ram.extents + [.init(running.memory.size..<tail.fileBytes, .file(tail.file, offset: 0))])
        }
        return CustomisedImages(
            memory: memory, disk: try await ImageMap.changes(in: running.disk, size: base.record.diskBytes),
            guest: tail?.guest)
    }
}
