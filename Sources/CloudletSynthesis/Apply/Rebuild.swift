import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem

/// A VM under reconstruction: its memory, its disk and the part of its snapshot behind the RAM, in a scratch
/// directory.
struct Rebuild: Sendable {
    let meta: OverlayMeta
    let base: OpenBase
    let work: WorkDirectory
    let memory: SharedMemory
    let disk: QCOW2Image
    private let tail: File

    init(_ meta: OverlayMeta, _ base: OpenBase, _ hypervisor: Hypervisor) throws(CloudletError) {
        self.meta = meta
        self.base = base
        work = try WorkDirectory(on: hypervisor)
        do throws(CloudletError) {
            memory = try SharedMemory(named: "cloudlet-ram", size: base.machine.memoryBytes)
            disk = try QCOW2Image(
                work.file("disk.qcow2"), backing: base.record.files.disk, size: base.record.diskBytes)
            tail = try File(work.file("tail"), .create(permissions: 0o600))
            try tail.resize(to: meta.memorySize - memory.size)
        } catch {
            try? work.remove()
            throw error
        }
    }

    /// Decodes the overlay into the memory, the tail and the disk.
    var decoding: BlobDecoding {
        let geometry = OverlayGeometry(
            disk: meta.diskSize, memory: meta.memorySize, baseDisk: base.images.diskSize,
            baseMemory: base.images.memorySize)
        return BlobDecoding(
            meta: meta, geometry: geometry, base: base.images,
            targets: PageTargets(memory: SnapshotTarget(memory: memory, tail: tail), disk: disk))
    }

    /// Copies what the overlay does not bring from the base's snapshot: RAM into the shared memory, the rest into the
    /// tail.
    func copyBaseMemory() async throws(CloudletError) {
        let brought = meta.pages(of: .memory)
        let source = base.snapshot.file
        try await MemoryCopy.copy(0..<memory.size, from: source, to: memory.file) { range in
            var parts: [Range<Int>] = []
            let pages = range.lowerBound / Page.size..<Page.count(covering: range.upperBound)
            brought.forEachRun(in: pages, member: false) { run in
                parts.append(
                    max(
                        run.lowerBound * Page.size, range.lowerBound)..<min(
                            run.upperBound * Page.size, range.upperBound))
            }
            return parts
        }
        let last = min(meta.memorySize, base.images.memorySize)
        for page in pieces(of: memory.size..<last, length: Page.size)
        where !brought.contains(page.lowerBound / Page.size) {
            try tail.write(try source.read(page.count, at: page.lowerBound), at: page.lowerBound - memory.size)
        }
    }

    /// The snapshot behind the RAM, checked: it must describe the base's own machine, or it can't be resumed here.
    func rebuiltSnapshot() throws(CloudletError) -> SnapshotFile {
        let snapshot: SnapshotFile
        do throws(CloudletError) { snapshot = try SnapshotFile(tail, origin: memory.size) } catch {
            throw CloudletError(.badData, "the overlay gives no valid memory snapshot", cause: error)
        }
        guard snapshot.description.machine == base.machine else {
            throw CloudletError(
                .badData, "the overlay's VM has other virtual hardware than its base",
                advice: "make the overlay anew from this base VM")
        }
        return snapshot
    }
}
