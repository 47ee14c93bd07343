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
}
