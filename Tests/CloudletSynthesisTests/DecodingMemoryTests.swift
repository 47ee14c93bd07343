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

/// How much memory overlays take while they are decoded.
@Suite struct DecodingMemoryTests {
    /// Takes pages and keeps nothing.
    private struct Nowhere: PageTarget {
        func place(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError) {}
        func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) {}
        func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) {}
    }

    private static let pages = 10_000

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

    /// A blob that comes so slowly that many come at the same time.
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

    /// Peak of the process's resident memory since the last call, in MiB.
    private func peak(reset: Bool) throws -> Int {
        if reset { try File("/proc/self/clear_refs", .readWrite).write(Array("5".utf8), at: 0) }
        let status = String(decoding: try File("/proc/self/status", .read).read(8192, at: 0), as: UTF8.self)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(Int(line.split(separator: " ")[1])) >> 10
    }

    @Test("many overlays with large histories take the memory of two", arguments: CompressionMethod.allCases)
    func largeHistories(method: CompressionMethod) async throws {
        let bytes = try Self.blob(method)
        let compression: BlobCompression = method == .xz ? .xz : .zstd
        let size = Self.pages * Page.size
        let meta = OverlayMeta(
            baseHash: SHA256Digest(hashing: bytes.span), diskSize: size, memorySize: size,
            blobs: [
                .init(
                    name: "b.\(compression.fileExtension)", size: bytes.count, diskChunks: [],
                    memoryChunks: (0..<UInt32(Self.pages)).map { $0 }, compression: compression)
            ])
        let scratch = try ScratchDirectory()
        let disk = try scratch.write("disk", [])
        try disk.resize(to: size)
        let decoding = BlobDecoding(
            meta: meta, geometry: OverlayGeometry(disk: size, memory: size, baseDisk: size, baseMemory: size),
            base: try BaseImages(disk: disk, memory: disk), targets: PageTargets(memory: Nowhere(), disk: Nowhere()))
        let before = try peak(reset: true)
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
        let grown = try peak(reset: false) - before
        #expect(grown < 160, "grown by \(grown) MiB")
    }
}
