// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Synchronization
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// How much memory overlays take while they are decoded, and who waits for it.
@Suite(.serialized, .timeLimit(.minutes(5))) struct DecodingMemoryTests {
    /// Takes pages and keeps nothing.
    private struct Nowhere: PageTarget {
        func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError) {}
        func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) {}
        func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) {}
    }

    private static let pages = 10_000
    private let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    /// A blob of 40 MB of pages in a stream that wants a history of 64 MiB, as the original's do.
    private static func blob(_ method: CompressionMethod) throws -> [UInt8] {
        var random = SeededRandom(seed: 1)
        let page = (0..<Page.size).map { _ in UInt8.random(in: 0...255, using: &random) }
        var compressor = try Compressor(try .init(method, level: method == .xz ? 0 : 1, historyLog: 26), blobBytes: 0)
        var bytes: [UInt8] = []
        for number in 0..<pages {
            var item: [UInt8] = []
            DeltaItem(.memory, offset: number * Page.size, length: Page.size, .raw(payload: Page.size))
                .appendHeader(to: &item)
            item += page
            try compressor.encode(item.span) { (out) throws(CloudletError) in bytes.append(copying: out) }
        }
        try compressor.finish { (out) throws(CloudletError) in bytes.append(copying: out) }
        return bytes
    }

    /// A blob that arrives in 100 parts with a pause before each, so that many blobs arrive at the same time.
    private static func slowly(_ bytes: [UInt8]) -> AsyncStream<BlobPiece> {
        let parts =
            [.begin(0)] + pieces(of: 0..<bytes.count, length: bytes.count / 100).map { .bytes(Array(bytes[$0])) } + [
                BlobPiece.end
            ]
        let next = Atomic(0)
        return AsyncStream {
            try? await Task.sleep(for: .milliseconds(2))
            let index = next.add(1, ordering: .relaxed).oldValue
            return index < parts.count ? parts[index] : nil
        }
    }

    private func decoding(_ bytes: [UInt8], _ method: CompressionMethod) throws -> BlobDecoding {
        let compression: BlobCompression = method == .xz ? .xz : .zstd
        let size = Self.pages * Page.size
        let meta = OverlayMeta(
            baseHash: SHA256Digest(hashing: bytes.span), diskSize: size, memorySize: size,
            blobs: [
                .init(
                    name: "b.\(compression.fileExtension)", size: bytes.count, diskChunks: [],
                    memoryChunks: (0..<UInt32(Self.pages)).map { $0 }, compression: compression)
            ])
        let disk = try scratch.write("disk", [])
        try disk.resize(to: size)
        return BlobDecoding(
            meta: meta, geometry: OverlayGeometry(disk: size, memory: size, baseDisk: size, baseMemory: size),
            base: try BaseImages(disk: disk, memory: disk), targets: PageTargets(memory: Nowhere(), disk: Nowhere()),
            scratch: scratch.path)
    }

    @Test("many overlays with large histories take the memory of two", arguments: CompressionMethod.allCases)
    func largeHistories(method: CompressionMethod) async throws {
        let bytes = try Self.blob(method)
        let decoding = try decoding(bytes, method)
        let before = try peakMemory(reset: true)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let found = try await decoding.run(Self.slowly(bytes)) { _ in }
                    #expect(found[.raw, .memory].items == Self.pages)
                }
            }
            try await group.waitForAll()
        }
        // Eight histories of 40 MB would be 320 MB.
        let grown = try peakMemory(reset: false) - before
        #expect(grown < 160, "grown by \(grown) MiB")
    }

    /// A blob whose second half does not arrive before `resumed` happens.
    private static func stalling(_ bytes: [UInt8], _ stalled: AsyncEvent, until resumed: AsyncEvent) -> AsyncStream<
        BlobPiece
    > {
        let half = bytes.count / 2
        let parts: [BlobPiece] = [
            .begin(0), .bytes(Array(bytes[..<half])), .bytes(Array(bytes[half...])), .end,
        ]
        let next = Atomic(0)
        return AsyncStream {
            let index = next.add(1, ordering: .relaxed).oldValue
            if index == 2 {
                stalled.set()
                await resumed.wait()
            }
            return index < parts.count ? parts[index] : nil
        }
    }

    @Test(
        "overlays with large histories whose clients stall keep no other from its end",
        arguments: CompressionMethod.allCases)
    func stalledClients(method: CompressionMethod) async throws {
        let bytes = try Self.blob(method)
        let decoding = try decoding(bytes, method)
        let resumed = AsyncEvent()
        let before = try peakMemory(reset: true)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<12 {
                let stalled = AsyncEvent()
                group.addTask {
                    try await decoding.run(Self.stalling(bytes, stalled, until: resumed)) { _ in }[.raw, .memory].items
                }
                await stalled.wait()
            }
            // Nothing shows when the parts that arrived are decoded; a moment too short would only make the test weaker.
            try await Task.sleep(for: .seconds(1))
            let found = try await withDeadline(.seconds(60)) { () async throws(CloudletError) in
                try await decoding.run(Self.slowly(bytes)) { _ in }
            }
            #expect(found?[.raw, .memory].items == Self.pages)
            resumed.set()
            for try await items in group { #expect(items == Self.pages) }
        }
        let grown = try peakMemory(reset: false) - before
        #expect(grown < 160, "grown by \(grown) MiB")
        #expect(try Directory.names(in: scratch.path) == ["disk"])
    }

    @Test("a stream that wants a large history only in its second block is refused")
    func lateHistory() async throws {
        var bytes: [UInt8] = []
        for (block, log) in [20, 26].enumerated() {
            var random = SeededRandom(seed: UInt64(block))
            let page = (0..<Page.size).map { _ in UInt8.random(in: 0...255, using: &random) }
            var item: [UInt8] = []
            DeltaItem(.memory, offset: block * Page.size, length: Page.size, .raw(payload: Page.size))
                .appendHeader(to: &item)
            var compressor = try Compressor(try .init(.xz, level: 0, historyLog: log), blobBytes: 0)
            var stream: [UInt8] = []
            try compressor.encode((item + page).span) { (out) throws(CloudletError) in stream.append(copying: out) }
            try compressor.finish { (out) throws(CloudletError) in stream.append(copying: out) }
            // Between the header of 12 bytes and the index, whose size is in the last 12 bytes, is the block.
            let index = stream[(stream.count - 8)..<(stream.count - 4)].reversed().reduce(0) { $0 << 8 | Int($1) }
            bytes += stream[(block == 0 ? 0 : 12)..<(stream.count - 12 - (index + 1) * 4)]
        }
        let decoding = try decoding(bytes, .xz)
        let error = await #expect(throws: CloudletError.self) {
            _ = try await decoding.run(Self.slowly(bytes)) { _ in }
        }
        #expect(error?.description.contains("a later block needs more memory") == true, "\(error as Any)")
    }
}
