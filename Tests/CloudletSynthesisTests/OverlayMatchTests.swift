import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// Which overlays fit a base VM.
@Suite struct OverlayMatchTests {
    @Test("an overlay without blobs is refused in the original's words, before anything else")
    func noBlobs() {
        let hash = SHA256Digest(hashing: [1].span)
        let base = BaseVM(
            files: BaseFiles(disk: "/base.raw"), hash: hash, memoryHash: hash, diskBytes: 4096, diskModified: 0,
            memoryBytes: 256 << 20, accelerator: "tcg", created: 0)
        for baseHash in [hash, SHA256Digest(hashing: [2].span)] {
            let meta = OverlayMeta(baseHash: baseHash, diskSize: 4096, memorySize: 0, blobs: [])
            let error = #expect(throws: CloudletError.self) {
                try Synthesizer.requireMatch(meta, base, MachineDescription(memoryMiB: 256, accelerator: .tcg))
            }
            #expect(error?.message == "No matching Base VM: the overlay names no blobs")
        }
    }

    @Test("what does not fit is named: the disk's hash, the memory's, the sizes")
    func mismatches() throws {
        let (disk, memory) = (SHA256Digest(hashing: [1].span), SHA256Digest(hashing: [2].span))
        let other = SHA256Digest(hashing: [3].span)
        let base = BaseVM(
            files: BaseFiles(disk: "/base.raw"), hash: disk, memoryHash: memory, diskBytes: 4096, diskModified: 0,
            memoryBytes: 256 << 20, accelerator: "tcg", created: 0)
        let machine = MachineDescription(memoryMiB: 256, accelerator: .tcg)
        let blob = OverlayMeta.Blob(name: "b", size: 1, diskChunks: [], memoryChunks: [0])
        let size = machine.memoryBytes + SnapshotLayout.descriptionArea + 2 * Page.size
        func refusal(hash: SHA256Digest? = nil, memoryHash: SHA256Digest, disk: Int = 4096, memory: Int) -> String? {
            var meta = OverlayMeta(baseHash: hash ?? base.hash, diskSize: disk, memorySize: memory, blobs: [blob])
            meta.baseMemoryHash = memoryHash
            do throws(CloudletError) { try Synthesizer.requireMatch(meta, base, machine) } catch {
                return error.message
            }
            return nil
        }
        #expect(refusal(memoryHash: memory, memory: size) == nil)
        let words = [
            (refusal(hash: other, memoryHash: memory, memory: size), "needs base VM \(other.short), not \(disk.short)"),
            (refusal(memoryHash: other, memory: size), "another memory snapshot (\(other.short), not \(memory.short))"),
            (refusal(memoryHash: memory, disk: 8192, memory: size), "a disk of 8192 bytes, the base has 4096"),
            (refusal(memoryHash: memory, memory: size - 2 * Page.size), "does not fit the base VM's machine"),
            (refusal(memoryHash: memory, memory: size + 1), "does not fit the base VM's machine"),
        ]
        for (message, expected) in words { #expect(message?.contains(expected) == true, "\(message ?? "accepted")") }
    }
}
