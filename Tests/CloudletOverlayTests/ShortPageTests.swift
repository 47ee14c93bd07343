// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletOverlay

/// Images whose size is not a multiple of a page.
@Suite struct ShortPageTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private static let size = 32 * Page.size + 512
    private static let reader = Repository.root.appending("Tests/CloudletSynthesisTests/Reference/overlay_reader.py")

    /// The disk that a reader of the original's format rebuilds from one blob.
    private func foreignReader(_ base: File, _ blob: OverlayMeta.Blob, _ items: [UInt8]) async throws -> Tool.Result {
        let plain = try scratch.write("items", items)
        let packed = scratch.file(blob.name)
        let code = "import lzma, sys; open(sys.argv[2], 'wb').write(lzma.compress(open(sys.argv[1], 'rb').read()))"
        #expect(try await Tool.run("python3", ["-c", code, plain.path.string, packed.string]).status == 0)
        var blob = blob
        blob.size = try File(packed, .read).size()
        let meta = OverlayMeta(
            baseHash: try DiskFingerprint.identity(of: base), diskSize: Self.size, memorySize: 0, blobs: [blob])
        let file = try scratch.write("face.overlay-meta", meta.encoded())
        let memory = try scratch.write("base.base-mem", [])
        return try await Tool.run(
            "python3",
            [
                Self.reader.string, file.path.string, base.path.string, memory.path.string,
                scratch.file("out.raw").string, scratch.file("out.mem").string,
            ])
    }

    @Test(
        "a short last page that becomes zeros is raw: zeros are a whole page to the original",
        arguments: [false, true])
    func shortZeros(asHole: Bool) async throws {
        var random = SeededRandom(seed: 1)
        let old = (0..<Self.size).map { _ in UInt8.random(in: 1...255, using: &random) }
        var new = old
        for range in [3 * Page.size..<4 * Page.size, 32 * Page.size..<Self.size] {
            new.replaceSubrange(range, with: repeatElement(0, count: range.count))
        }
        let base = try scratch.write("base.raw", old)
        let changed = try scratch.write("new.raw", asHole ? Array(new[..<(32 * Page.size)]) : new)
        try changed.resize(to: Self.size)
        let images = try BaseImages(disk: base, memory: nil)
        let plan = try await OverlayPlan.make(
            memory: nil, disk: try .file(changed, base: base, as: .disk), base: images,
            index: BaseIndex(images: images, disk: try SortedHashList(scratch.write("none", [])), memory: nil),
            blobBytes: 1 << 20)
        let (blob, items) = try OverlayRoundTripTests.blobs(of: plan)[0]
        var expected = hex("0000000000003000 1000 62")
        expected += hex("0000000000020000 0200 12 0000000000000200") + [UInt8](repeating: 0, count: 512)
        #expect(items == expected && blob.diskChunks == [3, 32])

        let target = CopyTarget(try scratch.write("rebuilt", old))
        let geometry = OverlayGeometry(disk: Self.size, memory: 0, baseDisk: Self.size, baseMemory: nil)
        var applier = BlobApplier(
            blob, geometry: geometry, base: images, targets: PageTargets(memory: target, disk: target))
        try applier.apply(items.span)
        try applier.finish()
        #expect(try target.file.read(1 << 20, at: 0) == new)
        #expect(try applier.statistics == BlobWriter.write(blob: 0, of: plan) { _ in }.statistics)

        let result = try await foreignReader(base, blob, items)
        #expect(result.status == 0, "\(result.errors)")
        #expect(try File(scratch.file("out.raw"), .read).read(1 << 20, at: 0) == new)
    }

    @Test("items of short zeros are read here, although the original crashes on them")
    func shortZerosOfOthers() async throws {
        let old = [UInt8](repeating: 7, count: Self.size)
        let base = try scratch.write("base.raw", old)
        let blob = OverlayMeta.Blob(name: "b", size: 0, diskChunks: [32], memoryChunks: [])
        let items = hex("0000000000020000 0200 62")
        let target = CopyTarget(try scratch.write("rebuilt", old))
        var applier = BlobApplier(
            blob, geometry: OverlayGeometry(disk: Self.size, memory: 0, baseDisk: Self.size, baseMemory: nil),
            base: try BaseImages(disk: base, memory: nil), targets: PageTargets(memory: target, disk: target))
        try applier.apply(items.span)
        try applier.finish()
        #expect(try target.file.read(512, at: 32 * Page.size) == [UInt8](repeating: 0, count: 512))
        let result = try await foreignReader(base, blob, items)
        #expect(result.status != 0 && result.errors.contains("gives 4096 bytes, not 512"), "\(result.errors)")
    }

    @Test("a page can't refer to a page of another length")
    func otherLength() async throws {
        let base = try scratch.write("base.raw", [UInt8](repeating: 7, count: Self.size))
        let target = CopyTarget(try scratch.write("rebuilt", [UInt8](repeating: 7, count: Self.size)))
        var applier = BlobApplier(
            .init(name: "b", size: 0, diskChunks: [32, 5], memoryChunks: []),
            geometry: OverlayGeometry(disk: Self.size, memory: 0, baseDisk: Self.size, baseMemory: nil),
            base: try BaseImages(disk: base, memory: nil), targets: PageTargets(memory: target, disk: target))
        let short = hex("0000000000020000 0200 12 0000000000000200") + [UInt8](repeating: 1, count: 512)
        let error = #expect(throws: CloudletError.self) {
            try applier.apply((short + hex("0000000000005000 1000 32 0000000000040002")).span)
            try applier.finish()
        }
        #expect(
            (error?.cause as? OverlayFormatError)
                == OverlayFormatError(.selfReferenceLength(0x40002, 512, expected: 4096), item: 1, byte: 531))
    }
}
