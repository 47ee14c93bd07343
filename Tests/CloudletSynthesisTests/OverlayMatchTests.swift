// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

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

    @Test("all that a meta announces counts as disk space: pages, tables, device state, blobs that may have to be kept")
    func diskBytes() {
        let machine = MachineDescription(memoryMiB: 256, accelerator: .tcg)
        let hash = SHA256Digest(hashing: [1].span)
        var blob = OverlayMeta.Blob(name: "b", size: 1000, diskChunks: [0, 1, 2], memoryChunks: [0])
        let state = 250 << 20
        var meta = OverlayMeta(
            baseHash: hash, diskSize: 1 << 30, memorySize: machine.memoryBytes + state, blobs: [blob])
        let small = Synthesizer.diskBytes(for: meta, on: machine)
        #expect(small >= state + 3 * Page.size + 1000)
        #expect(small < state + 1 << 20)
        // Pages far from each other take a table each.
        meta.diskSize = 1 << 40
        meta.blobs[0].diskChunks = (0..<1000).map { UInt32($0 * 262_144) }
        #expect(Synthesizer.diskBytes(for: meta, on: machine) >= state + 1000 * (Page.size + 128 << 10))
        meta.memorySize = 0
        #expect(Synthesizer.diskBytes(for: meta, on: machine) < 150 << 20)
        // No sum is too large.
        blob.size = .max
        meta.blobs = [OverlayMeta.Blob](repeating: blob, count: 3)
        meta.memorySize = .max
        #expect(Synthesizer.diskBytes(for: meta, on: machine) == .max)
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
