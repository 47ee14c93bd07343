// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletOverlay
import CloudletStore
import CloudletSynthesis
import CloudletTestSupport

/// An overlay of a ``SmallBase``. Its first blob contains a page of memory and, as a copy of that, a page of the disk;
/// the second one contains a page of memory alone. A disk-only one has a blob with this page of the disk.
struct SmallOverlay: Sendable {
    let meta: OverlayMeta
    private let blobs: [[UInt8]]

    /// The content of the first blob's pages.
    static let page = [UInt8](repeating: 0xA5, count: Page.size)
    /// The offset of the page of the disk.
    static let diskOffset = 3 * Page.size
    /// The offset of the page of memory.
    static let memoryOffset = 8 << 20

    init(of base: OpenBase, diskOnly: Bool = false) throws {
        var first: [UInt8] = []
        func raw(_ image: OverlayImage, _ offset: Int) {
            DeltaItem(image, offset: offset, length: Page.size, .raw(payload: Page.size)).appendHeader(to: &first)
            first += Self.page
        }
        var second: [UInt8] = []
        if diskOnly {
            raw(.disk, Self.diskOffset)
        } else {
            raw(.memory, Self.memoryOffset)
            DeltaItem(.disk, offset: Self.diskOffset, length: Page.size, .sameAs(.memory, offset: Self.memoryOffset))
                .appendHeader(to: &first)
            DeltaItem(.memory, offset: 2 * Self.memoryOffset - Page.size, length: Page.size, .zeros).appendHeader(
                to: &second)
        }
        blobs = try (diskOnly ? [first] : [first, second]).map { items in
            var compressor = try Compressor(try .init(.xz, level: 1), blobBytes: 1 << 20)
            var bytes: [UInt8] = []
            try compressor.encode(items.span) { (out) throws(CloudletError) in bytes.append(copying: out) }
            try compressor.finish { (out) throws(CloudletError) in bytes.append(copying: out) }
            return bytes
        }
        func number(_ offset: Int) -> UInt32 { UInt32(offset / Page.size) }
        let memory = diskOnly ? [[], []] : [[number(Self.memoryOffset)], [number(2 * Self.memoryOffset) - 1]]
        meta = OverlayMeta(
            baseHash: base.record.hash, diskSize: base.images.diskSize,
            memorySize: diskOnly ? 0 : base.images.memorySize,
            blobs: blobs.enumerated().map { index, bytes in
                .init(
                    name: "small.overlay_\(index + 1).xz", size: bytes.count,
                    diskChunks: index == 0 ? [number(Self.diskOffset)] : [], memoryChunks: memory[index])
            })
    }

    /// The pieces of some blobs. Damaged ones can't be decoded.
    func pieces(_ indices: [Int], damaged: Set<Int> = []) -> AsyncStream<BlobPiece> {
        AsyncStream { stream in
            for index in indices {
                stream.yield(.begin(index))
                let bytes = blobs[index]
                stream.yield(.bytes(damaged.contains(index) ? [UInt8](repeating: 0, count: bytes.count) : bytes))
                stream.yield(.end)
            }
            stream.finish()
        }
    }
}
