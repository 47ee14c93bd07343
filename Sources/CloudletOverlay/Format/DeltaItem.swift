import CloudletCore

/// One page of an overlay: where it goes and where its content comes from. Big-endian on the wire:
/// 8 bytes offset, 2 bytes length, 1 byte type (low nibble image, high nibble kind), then what the kind needs.
package struct DeltaItem: Hashable, Sendable {
    /// The image the page belongs to.
    package let image: OverlayImage
    /// Offset in the image, a multiple of 4096.
    package let offset: Int
    /// Bytes of the page: 4096, fewer only in a short last page.
    package let length: Int
    /// Where the content comes from.
    package let content: Content

    /// Creates an item.
    package init(_ image: OverlayImage, offset: Int, length: Int, _ content: Content) {
        self.image = image
        self.offset = offset
        self.length = length
        self.content = content
    }

    /// Where a page's content comes from.
    package enum Content: Hashable, Sendable {
        /// The page itself follows; `payload` bytes, equal to the item's length.
        case raw(payload: Int)
        /// A VCDIFF patch of `payload` bytes follows, against the base's bytes at the same place.
        case xdelta(payload: Int)
        /// The same as an earlier item of this blob, whose page is as long.
        case sameAs(OverlayImage, offset: Int)
        /// The base disk from this byte on; a multiple of 512.
        case baseDisk(offset: Int)
        /// The base's memory snapshot from this byte on; a multiple of 4096.
        case baseMemory(offset: Int)
        /// Zeros; of a whole page, to the original.
        case zeros

        /// The kind's value in the high nibble.
        package var kind: Kind {
            switch self {
            case .raw: .raw
            case .xdelta: .xdelta
            case .sameAs: .sameAs
            case .baseDisk: .baseDisk
            case .baseMemory: .baseMemory
            case .zeros: .zeros
            }
        }
    }

    /// The six kinds with the values of their high nibble.
    package enum Kind: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
        case raw = 0x10
        case xdelta = 0x20
        case sameAs = 0x30
        case baseDisk = 0x40
        case baseMemory = 0x50
        case zeros = 0x60

        /// The name used in tables and JSON.
        package var description: String {
            switch self {
            case .raw: "raw"
            case .xdelta: "xdelta"
            case .sameAs: "self"
            case .baseDisk: "base-disk"
            case .baseMemory: "base-memory"
            case .zeros: "zeros"
            }
        }
    }

    /// Number of the page in its image.
    package var page: Int { offset / Page.size }

    /// Bytes of the item without a payload: the operand is there in all kinds but one.
    var headerBytes: Int { content == .zeros ? 11 : 19 }

    /// The most bytes an item can take: header, payload length, and a payload not longer than the page.
    static let maximumBytes = 11 + 8 + Page.size

    /// Appends the item's header; the payload of `raw` and `xdelta` items must follow.
    package func appendHeader(to bytes: inout [UInt8]) {
        bytes.appendBigEndian(UInt64(offset))
        bytes.appendBigEndian(UInt16(length))
        bytes.append(content.kind.rawValue | image.rawValue)
        switch content {
        case .raw(let payload), .xdelta(let payload): bytes.appendBigEndian(UInt64(payload))
        case .sameAs(let image, let offset): bytes.appendBigEndian(UInt64(offset) << 1 | UInt64(image.rawValue))
        case .baseDisk(let offset), .baseMemory(let offset): bytes.appendBigEndian(UInt64(offset))
        case .zeros: break
        }
    }
}
