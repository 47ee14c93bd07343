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
        try SnapshotTail.copy(
            of: source, from: memory.size, to: tail, origin: memory.size, size: meta.memorySize, without: brought)
    }

    /// The snapshot behind the RAM, checked.
    func rebuiltSnapshot() throws(CloudletError) -> SnapshotFile {
        try SnapshotTail.open(tail, origin: memory.size, machine: base.machine)
    }
}
