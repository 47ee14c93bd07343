import CloudletCompression
import CloudletCore
import CloudletOverlay
import CloudletStore
import CloudletSynthesis
import CloudletTestSupport

/// An overlay of a ``SmallBase``. Its first blob contains a page of memory and, as a copy of that, a page of the disk;
/// the second one contains a page of memory alone.
struct SmallOverlay: Sendable {
    let meta: OverlayMeta
    private let blobs: [[UInt8]]

    /// The content of the first blob's pages.
    static let page = [UInt8](repeating: 0xA5, count: Page.size)
    /// The offset of the page of the disk.
    static let diskOffset = 3 * Page.size
    /// The offset of the page of memory.
    static let memoryOffset = 8 << 20

    init(of base: OpenBase) throws {
        var first: [UInt8] = []
        DeltaItem(.memory, offset: Self.memoryOffset, length: Page.size, .raw(payload: Page.size))
            .appendHeader(to: &first)
        first += Self.page
        DeltaItem(.disk, offset: Self.diskOffset, length: Page.size, .sameAs(.memory, offset: Self.memoryOffset))
            .appendHeader(to: &first)
        var second: [UInt8] = []
        DeltaItem(.memory, offset: 2 * Self.memoryOffset - Page.size, length: Page.size, .zeros).appendHeader(
            to: &second)
        blobs = try [first, second].map { items in
            var compressor = try Compressor(try .init(.xz, level: 1), blobBytes: 1 << 20)
            var bytes: [UInt8] = []
            try compressor.encode(items.span) { (out) throws(CloudletError) in bytes.append(copying: out) }
            try compressor.finish { (out) throws(CloudletError) in bytes.append(copying: out) }
            return bytes
        }
        func number(_ offset: Int) -> UInt32 { UInt32(offset / Page.size) }
        meta = OverlayMeta(
            baseHash: base.record.hash, diskSize: base.images.diskSize, memorySize: base.images.memorySize,
            blobs: [
                .init(
                    name: "small.overlay_1.xz", size: blobs[0].count, diskChunks: [number(Self.diskOffset)],
                    memoryChunks: [number(Self.memoryOffset)]),
                .init(
                    name: "small.overlay_2.xz", size: blobs[1].count, diskChunks: [],
                    memoryChunks: [number(2 * Self.memoryOffset) - 1]),
            ])
    }

    /// The pieces of some blobs.
    func pieces(_ indices: [Int]) -> AsyncStream<BlobPiece> {
        AsyncStream { stream in
            for index in indices {
                stream.yield(.begin(index))
                stream.yield(.bytes(blobs[index]))
                stream.yield(.end)
            }
            stream.finish()
        }
    }
}
