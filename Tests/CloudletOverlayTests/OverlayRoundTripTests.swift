// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Testing

@testable import CloudletOverlay

@Suite struct OverlayRoundTripTests {
    /// All blobs of a plan before compression, with their descriptions.
    static func blobs(of plan: OverlayPlan) throws -> [(OverlayMeta.Blob, [UInt8])] {
        try (0..<plan.blobCount).map { number in
            var bytes: [UInt8] = []
            let contents = try BlobWriter.write(blob: number, of: plan) { (piece) throws(CloudletError) in
                bytes.append(copying: piece)
            }
            let blob = OverlayMeta.Blob(
                name: "b\(number)", size: 0, diskChunks: contents.diskChunks, memoryChunks: contents.memoryChunks)
            return (blob, bytes)
        }
    }

    private func targets(_ pair: SyntheticPair) throws -> (PageTargets, CopyTarget, CopyTarget) {
        let baseDisk = try pair.base.disk.read(pair.base.diskSize, at: 0)
        let baseMemory = try #require(pair.base.memory).read(pair.base.memorySize, at: 0)
        let disk = CopyTarget(try pair.scratch.write("out.raw", baseDisk))
        let memory = CopyTarget(try pair.scratch.write("out.mem", baseMemory))
        return (PageTargets(memory: memory, disk: disk), memory, disk)
    }

    @Test("a planned overlay is rebuilt bit for bit, from blobs in any order and pieces of any size", arguments: 0..<6)
    func roundTrip(seed: Int) async throws {
        var random = SeededRandom(seed: UInt64(seed))
        let pair = try await SyntheticPair(seed: UInt64(seed))
        let plan = try await pair.plan(blobBytes: [1, 5000, 20_000, 1 << 20][seed % 4])
        let (targets, memory, disk) = try targets(pair)
        for (blob, bytes) in try Self.blobs(of: plan).shuffled(using: &random) {
            var applier = BlobApplier(blob, geometry: pair.geometry, base: pair.base, targets: targets)
            for piece in pieces(of: 0..<bytes.count, length: Int.random(in: 1...9000, using: &random)) {
                try applier.apply(bytes.span.extracting(piece))
            }
            try applier.finish()
        }
        #expect(try memory.file.read(1 << 24, at: 0) == pair.memoryBytes)
        #expect(try disk.file.read(1 << 24, at: 0) == pair.diskBytes)
    }

    @Test("a base that is cut while it is compared gives an error and no overlay", arguments: [false, true])
    func cutBase(isMemory: Bool) async throws {
        let pair = try await SyntheticPair(seed: 4)
        let file = try File(isMemory ? #require(pair.base.memory).path : pair.base.disk.path, .readWrite)
        // To a page boundary, so that the missing part would read as a hole.
        try file.resize(to: 20 * Page.size)
        let error = await #expect(throws: CloudletError.self) { try await pair.plan() }
        #expect(error?.code == .io && error?.description.contains("became shorter") == true, "\(error as Any)")
    }

    @Test("an overlay with more pages than readers accept is refused when it is planned")
    func tooManyPages() async throws {
        let pair = try await SyntheticPair(seed: 1)
        // Thirteen pages below number 128.
        for (metaBytes, isPossible) in [(13, true), (12, false)] {
            var limits = OverlayMeta.Limits()
            limits.metaBytes = metaBytes
            let plan = try? await OverlayPlan.make(
                memory: try .file(pair.memory, base: pair.base.memory ?? pair.memory, as: .memory),
                disk: try .file(pair.disk, base: pair.base.disk, as: .disk), base: pair.base, index: pair.index,
                blobBytes: 1 << 20, limits: limits)
            #expect((plan != nil) == isPossible)
        }
    }

    @Test("each changed page takes its smallest form")
    func kinds() async throws {
        let pair = try await SyntheticPair(seed: 1)
        let plan = try await pair.plan()
        let blobs = try Self.blobs(of: plan)
        #expect(blobs.count == 1)
        var found: [String: String] = [:]
        var reader = DeltaItemReader(pair.geometry)
        let bytes = blobs[0].1
        try reader.feed(bytes.span) { (item, _) throws(CloudletError) in
            found["\(item.image) \(item.page)"] = "\(item.content)"
        }
        #expect(found["memory 0"] == "zeros")
        #expect(found["memory 1"] == "baseMemory(offset: \(40 * 4096))")
        #expect(found["memory 2"] == "baseDisk(offset: \(20 * 4096 + 512))")
        #expect(found["memory 3"] == "raw(payload: 4096)")
        #expect(found["memory 50"]?.contains("sameAs") == true && found["disk 8"]?.contains("sameAs") == true)
        #expect(found["disk 70"]?.contains("offset: \(3 * 4096)") == true)
        #expect(found["memory 9"]?.contains("xdelta") == true && found["disk 12"]?.contains("xdelta") == true)
        #expect(found["disk 13"] == "baseMemory(offset: \(30 * 4096))" && found["disk 14"] == nil)
        #expect(found["memory 96"] == "raw(payload: 908)")
        #expect(found.count == 13)
    }

    @Test("an unchanged image gives no items, however it was stored")
    func unchanged() async throws {
        let pair = try await SyntheticPair(seed: 2)
        let memory = try #require(pair.base.memory)
        let plan = try await OverlayPlan.make(
            memory: try .file(memory, base: memory, as: .memory),
            disk: ChangedImage(
                .disk, size: pair.base.diskSize,
                extents: [.init(0..<pair.base.diskSize, .file(pair.base.disk, offset: 0))]),
            base: pair.base, index: pair.index, blobBytes: 1 << 20)
        #expect(plan.pageCount == 0 && plan.blobCount == 0)
    }

    @Test(
        "a memory snapshot that is longer or shorter than its base's is rebuilt",
        arguments: [8 * 4096, 96 * 4096, 96 * 4096 + 907, 96 * 4096 + 908, 97 * 4096, 99 * 4096 + 1])
    func otherSizes(size: Int) async throws {
        let pair = try await SyntheticPair(seed: 9)
        let memory = try #require(pair.base.memory)
        var bytes = try memory.read(pair.base.memorySize, at: 0)
        bytes += [UInt8](repeating: 0xC3, count: max(0, size - bytes.count))
        bytes.removeLast(bytes.count - size)
        let changed = try pair.scratch.write("other", bytes)
        let plan = try await OverlayPlan.make(
            memory: try .file(changed, base: memory, as: .memory),
            disk: ChangedImage(.disk, size: pair.base.diskSize, extents: []), base: pair.base, index: pair.index,
            blobBytes: 1 << 20)
        // It contains only what is past the common full pages.
        #expect(plan.pageCount == (size == 96 * 4096 + 908 ? 0 : max(0, Page.count(covering: size) - 96)))
        let (targets, target, _) = try targets(pair)
        let geometry = OverlayGeometry(
            disk: pair.base.diskSize, memory: size, baseDisk: pair.base.diskSize, baseMemory: pair.base.memorySize)
        try target.file.resize(to: size)
        for (blob, items) in try Self.blobs(of: plan) {
            var applier = BlobApplier(blob, geometry: geometry, base: pair.base, targets: targets)
            try applier.apply(items.span)
            try applier.finish()
        }
        #expect(try target.file.read(1 << 24, at: 0) == bytes)
    }

    @Test(
        "exactly the pages that differ are found and rebuilt, however small the holes of both images are",
        arguments: 0..<4)
    func smallHoles(seed: Int) async throws {
        let pair = try await SyntheticPair(seed: 1)
        var random = SeededRandom(seed: UInt64(seed))
        let pages = 2500
        func image(_ name: String) throws -> ([UInt8], File) {
            let file = try pair.scratch.write(name, [])
            try file.resize(to: pages * Page.size)
            for page in 0..<pages where Int.random(in: 0..<3, using: &random) > 0 {
                // A stored page may hold zeros, and is often the same in both images. In the new one every third
                // run of pages is of its own kind.
                let value = UInt8.random(in: 0...2, using: &random)
                var bytes = [UInt8](repeating: value, count: Page.size)
                if name == "new", page / 100 % 3 == 0 {
                    bytes.replaceSubrange(0..<4, with: [1, UInt8(page & 255), UInt8(page >> 8), 1])
                }
                try file.write(bytes, at: page * Page.size)
            }
            return (try file.read(pages * Page.size, at: 0), file)
        }
        let (old, base) = try image("old")
        let (new, changed) = try image("new")
        let images = try BaseImages(disk: base, memory: nil)
        let plan = try await OverlayPlan.make(
            memory: nil, disk: try .file(changed, base: base, as: .disk), base: images,
            index: BaseIndex(images: images, disk: try SortedHashList(pair.scratch.write("none", [])), memory: nil),
            blobBytes: 1 << 20)
        let ranges = (0..<pages).map { $0 * Page.size..<($0 + 1) * Page.size }
        let expected = ranges.indices.filter { old[ranges[$0]] != new[ranges[$0]] }
        #expect(plan.records.map { Int($0.page) } == expected)
        for record in plan.records {
            #expect((record.content == .zeros) == (new[record.offset] == 0))
        }
        let target = CopyTarget(try pair.scratch.write("rebuilt", old))
        let geometry = OverlayGeometry(disk: old.count, memory: 0, baseDisk: old.count, baseMemory: nil)
        for (blob, bytes) in try Self.blobs(of: plan) {
            var applier = BlobApplier(
                blob, geometry: geometry, base: images, targets: PageTargets(memory: target, disk: target))
            for piece in pieces(of: 0..<bytes.count, length: 64 << 10) {
                try applier.apply(bytes.span.extracting(piece))
            }
            try applier.finish()
        }
        #expect(try target.file.read(pages * Page.size, at: 0) == new)
    }

    @Test("a hole over base data becomes zeros, a hole over a hole nothing")
    func holes() async throws {
        let pair = try await SyntheticPair(seed: 3)
        let empty = try pair.scratch.write("empty", [])
        try empty.resize(to: pair.base.diskSize)
        let changed = try ChangedImage.file(empty, base: pair.base.disk, as: .disk)
        let plan = try await OverlayPlan.make(
            memory: nil, disk: changed, base: pair.base, index: pair.index, blobBytes: 1 << 20)
        let blobs = try Self.blobs(of: plan)
        #expect(blobs[0].0.diskChunks.count == SyntheticPair.pages - SyntheticPair.pages / 5)
        #expect(blobs[0].1.count == 11 * blobs[0].0.diskChunks.count)
    }

    private func refusal(
        _ pair: SyntheticPair, _ change: (inout OverlayMeta.Blob, inout [UInt8]) -> Void
    ) async throws -> OverlayFormatError.Problem? {
        var (blob, bytes) = try Self.blobs(of: try await pair.plan())[0]
        change(&blob, &bytes)
        let (targets, _, _) = try targets(pair)
        var applier = BlobApplier(blob, geometry: pair.geometry, base: pair.base, targets: targets)
        let error = #expect(throws: CloudletError.self) {
            try applier.apply(bytes.span)
            try applier.finish()
        }
        #expect(error?.code == .badData)
        return (error?.cause as? OverlayFormatError)?.problem
    }

    @Test("pages the meta doesn't list, repeated pages and missing pages are refused")
    func listAndItemsDiffer() async throws {
        #expect(
            try await refusal(SyntheticPair(seed: 4)) { blob, _ in blob.memoryChunks.removeFirst() }
                == .unlistedChunk(.memory, 0))
        #expect(
            try await refusal(SyntheticPair(seed: 4)) { _, bytes in bytes += bytes.prefix(11) }
                == .repeatedChunk(.memory, 0))
        #expect(
            try await refusal(SyntheticPair(seed: 4)) { blob, _ in blob.diskChunks.append(90) } == .missingChunks(1))
        #expect(try await refusal(SyntheticPair(seed: 4)) { _, bytes in bytes.removeLast() } == .truncatedItem)
    }

    @Test("a reference to an item that does not precede it, or to itself, is refused")
    func selfReferences() async throws {
        for index in [UInt64(90 * 4096) << 1 | 2, UInt64(91 * 4096) << 1 | 2] {
            let problem = try await refusal(SyntheticPair(seed: 5)) { blob, bytes in
                blob.diskChunks.append(90)
                bytes.appendBigEndian(UInt64(90 * 4096))
                bytes.appendBigEndian(UInt16(4096))
                bytes.append(0x32)
                bytes.appendBigEndian(index)
            }
            #expect(problem == .selfReferenceUnknown(index))
        }
    }
}
