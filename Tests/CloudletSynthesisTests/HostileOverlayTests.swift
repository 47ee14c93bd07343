// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Synchronization
import Testing

@testable import CloudletSynthesis

/// One overlay for each thing that can be wrong with one, through the whole path from compressed bytes to pages.
@Suite struct HostileOverlayTests {
    /// Pages of both images of the base and of the result.
    private static let pages = 16
    private static let imageBytes = pages * Page.size

    /// The bytes of an item.
    private static func item(_ type: UInt8, _ offset: UInt64, _ rest: [UInt8] = [], length: UInt16 = 4096) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(offset)
        bytes.appendBigEndian(length)
        bytes.append(type)
        return bytes + rest
    }

    private static func number(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(value)
        return bytes
    }

    private static let page = [UInt8](repeating: 0xA5, count: 4096)
    private static let good = item(0x61, 0) + item(0x12, 0x1000, number(4096) + page)

    /// A wrong blob: what is in it behind two good items (memory page 0, disk page 1), and what must be said.
    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let items: [UInt8]
        var memory: [UInt32] = [0, 2]
        var disk: [UInt32] = [1]
        var item = 2
        let words: String
        var description: String { name }
    }

    static let cases: [Case] = [
        Case(name: "offset inside a page", items: item(0x61, 0x2001), words: "offset 8193 is not"),
        Case(name: "offset behind the end", items: item(0x61, UInt64(imageBytes)), words: "offset 65536 is not"),
        Case(name: "offset of 64 bits", items: item(0x61, .max - 4095), words: "is not the start of a page"),
        Case(name: "short page", items: item(0x61, 0x2000, length: 100), words: "length is 100"),
        Case(name: "long page", items: item(0x61, 0x2000, length: 4097), words: "length is 4097"),
        Case(name: "no image", items: item(0x60, 0x2000), words: "type 0 is neither"),
        Case(name: "other image", items: item(0x64, 0x2000), words: "type 4 is neither"),
        Case(name: "kind 0", items: item(0x01, 0x2000), words: "0x0 is not a kind"),
        Case(name: "kind of 0.9", items: item(0x81, 0x2000), words: "0x80 is not a kind"),
        Case(name: "raw too long", items: item(0x11, 0x2000, number(4097)), words: "payload of 4097"),
        Case(name: "raw too short", items: item(0x11, 0x2000, number(4095)), words: "payload of 4095"),
        Case(name: "raw of 64 bits", items: item(0x11, 0x2000, number(.max)), words: "is not valid"),
        Case(name: "empty patch", items: item(0x21, 0x2000, number(0)), words: "payload of 0"),
        Case(name: "large patch", items: item(0x21, 0x2000, number(4097)), words: "payload of 4097"),
        Case(
            name: "patch that is none", items: item(0x21, 0x2000, number(4) + [1, 2, 3, 4]), words: "a patch is damaged"
        ),
        Case(
            name: "patch that copies from outside",
            items: item(
                0x21, 0x2000, number(18) + hex("d6c3c400 00 01 8010 00 09 a000 00 00 03 02 13 a000 20 00")),
            words: "a patch is damaged"),
        Case(
            name: "patch with a bomb",
            items: item(0x21, 0x2000, number(15) + hex("d6c3c400 00 00 08 ffffff7f 00 01 02 00 00")),
            words: "a patch is damaged"),
        Case(
            name: "base memory outside", items: item(0x51, 0x2000, number(UInt64(imageBytes))), words: "is out of range"
        ),
        Case(name: "base memory at the end", items: item(0x51, 0x2000, number(0xF001)), words: "is out of range"),
        Case(name: "base memory unaligned", items: item(0x51, 0x2000, number(0x200)), words: "is not aligned"),
        Case(name: "base memory of 64 bits", items: item(0x51, 0x2000, number(.max)), words: "is out of range"),
        Case(name: "base disk outside", items: item(0x41, 0x2000, number(0xF200)), words: "is out of range"),
        Case(name: "base disk unaligned", items: item(0x41, 0x2000, number(0x201)), words: "is not aligned"),
        Case(
            name: "self of another blob", items: item(0x31, 0x2000, number(0x3000 << 1 | 1)),
            words: "does not precede it"),
        Case(name: "self of itself", items: item(0x31, 0x2000, number(0x2000 << 1 | 1)), words: "does not precede it"),
        Case(name: "self of no image", items: item(0x31, 0x2000, number(0x1000 << 1)), words: "does not precede it"),
        Case(name: "self of 64 bits", items: item(0x31, 0x2000, number(.max - 8190)), words: "does not precede it"),
        Case(name: "a page twice", items: item(0x61, 0), words: "occurs twice"),
        Case(name: "an unlisted page", items: item(0x61, 0x3000), words: "memory chunk 3 is not listed"),
        Case(name: "an unlisted disk page", items: item(0x62, 0x2000), words: "disk chunk 2 is not listed"),
        Case(name: "half a header", items: Array(item(0x61, 0x2000).prefix(5)), words: "ends inside an item"),
        Case(name: "half an operand", items: item(0x51, 0x2000, [0, 0]), words: "ends inside an item"),
        Case(
            name: "half a page", items: item(0x11, 0x2000, number(4096) + page.prefix(100)),
            words: "ends inside an item"),
        Case(name: "nothing more", items: [], words: "1 of its listed chunks are missing"),
        Case(name: "more than listed", items: item(0x61, 0x2000) + item(0x61, 0x4000), item: 3, words: "is not listed"),
    ]

    @Test("every wrong item is told with blob, item and byte, and places nothing", arguments: cases)
    func items(_ wrong: Case) async throws {
        let byte = Self.good.count + (wrong.item - 2) * 11
        for method in CompressionMethod.allCases {
            let (error, target) = try await rebuild(
                Self.good + wrong.items, memory: wrong.memory, disk: wrong.disk, method)
            #expect(error.code == .badData)
            let text = error.description
            #expect(text.contains(wrong.words) && text.contains("face.overlay_1."), "\(text)")
            #expect(text.contains("item \(wrong.item), byte \(byte)"), "\(text)")
            // At most the items before it were placed, where they belong.
            var allowed: Set<String> = ["memory 0", "disk 4096"]
            if wrong.item == 3 { allowed.insert("memory 8192") }
            #expect(target.placed.isSubset(of: allowed), "\(target.placed)")
        }
    }

    @Test("bytes that are not what the meta says they are", arguments: CompressionMethod.allCases)
    func compression(method: CompressionMethod) async throws {
        let whole = Self.good + Self.item(0x61, 0x2000)
        let blob = try Self.compress(whole, method)
        func failure(_ bytes: [UInt8]) async throws -> String {
            let (error, _) = try await rebuild(blob: bytes, memory: [0, 2], disk: [1], method)
            #expect(error.code == .badData && error.description.contains("face.overlay_1."))
            return error.description
        }
        #expect(try await failure(blob + blob).contains("at byte \(blob.count): there are bytes after the end"))
        #expect(try await failure(blob + [0]).contains("bytes after the end"))
        #expect(try await failure(Array(blob.dropLast(3))).contains("is truncated"))
        // No file of a compression is that short: the meta is refused.
        await #expect(throws: OverlayFormatError.self) { try await failure([]) }
        #expect(
            try await failure(Array("plain".utf8) + Self.page).contains("the data is not in \(method.rawValue) format"))
        let other: CompressionMethod = method == .xz ? .zstd : .xz
        #expect(try await failure(Self.compress(whole, other)).contains("the data is not in \(method.rawValue) format"))
    }

    @Test("a bomb stops at the first byte that is announced nowhere", arguments: CompressionMethod.allCases)
    func bomb(method: CompressionMethod) async throws {
        // Items for the same page without end.
        let zeros = Array(repeatElement(Self.item(0x61, 0x2000), count: 4000).joined())
        let bytes = try Self.compress(Self.good, then: zeros, times: 50, method)
        let (error, target) = try await rebuild(blob: bytes, memory: [0, 2], disk: [1], method)
        #expect(error.description.contains("item 3") && error.description.contains("occurs twice"))
        #expect(target.placed.count <= 3)
    }

    // MARK: - Making and rebuilding

    private static func compress(
        _ head: [UInt8], then rest: [UInt8] = [], times: Int = 1, _ method: CompressionMethod
    ) throws -> [UInt8] {
        var compressor = try Compressor(try .init(method, level: 1), blobBytes: 1 << 20)
        var bytes: [UInt8] = []
        try compressor.encode(head.span) { (out) throws(CloudletError) in bytes.append(copying: out) }
        for _ in 0..<times {
            try compressor.encode(rest.span) { (out) throws(CloudletError) in bytes.append(copying: out) }
        }
        try compressor.finish { (out) throws(CloudletError) in bytes.append(copying: out) }
        return bytes
    }

    private func rebuild(
        _ items: [UInt8], memory: [UInt32], disk: [UInt32], _ method: CompressionMethod
    ) async throws -> (CloudletError, RecordingTarget) {
        try await rebuild(blob: try Self.compress(items, method), memory: memory, disk: disk, method)
    }

    private func rebuild(
        blob bytes: [UInt8], memory: [UInt32], disk: [UInt32], _ method: CompressionMethod
    ) async throws -> (CloudletError, RecordingTarget) {
        let scratch = try ScratchDirectory()
        let base = try BaseImages(
            disk: try scratch.write("disk", [UInt8](repeating: 1, count: Self.imageBytes)),
            memory: try scratch.write("memory", [UInt8](repeating: 2, count: Self.imageBytes)))
        let compression: BlobCompression = method == .xz ? .xz : .zstd
        let meta = OverlayMeta(
            baseHash: SHA256Digest(hashing: bytes.span), diskSize: Self.imageBytes, memorySize: Self.imageBytes,
            blobs: [
                .init(
                    name: "face.overlay_1.\(compression.fileExtension)", size: bytes.count, diskChunks: disk,
                    memoryChunks: memory, compression: compression)
            ])
        // What is announced is itself valid: the meta is read as a stranger's.
        let encoded = meta.encoded()
        let read = try OverlayMeta(reading: encoded.span)
        let record = RecordingTarget()
        let decoding = BlobDecoding(
            meta: read,
            geometry: OverlayGeometry(
                disk: Self.imageBytes, memory: Self.imageBytes, baseDisk: Self.imageBytes,
                baseMemory: Self.imageBytes),
            base: base,
            targets: PageTargets(memory: record.part("memory"), disk: record.part("disk")))
        let before = try Directory.names(in: scratch.path)
        let source = AsyncStream<BlobPiece> { stream in
            stream.yield(.begin(0))
            for range in pieces(of: 0..<bytes.count, length: 100_000) { stream.yield(.bytes(Array(bytes[range]))) }
            stream.yield(.end)
            stream.finish()
        }
        let error = try #require(
            await #expect(throws: CloudletError.self) { try await decoding.run(source) { _ in } })
        #expect(try Directory.names(in: scratch.path) == before)
        return (error, record)
    }
}

/// Notes which pages are placed.
private final class RecordingTarget: Sendable {
    private let places = Mutex<Set<String>>([])

    var placed: Set<String> { places.withLock { $0 } }

    func part(_ name: String) -> Part { Part(name: name, owner: self) }

    struct Part: PageTarget {
        let name: String
        let owner: RecordingTarget

        func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError) {
            for run in runs { note(run.lowerBound) }
        }

        func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) { note(offset) }

        func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) {}

        private func note(_ offset: Int) { owner.places.withLock { _ = $0.insert("\(name) \(offset)") } }
    }
}
