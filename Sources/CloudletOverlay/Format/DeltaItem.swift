// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// One page of an overlay: its offset in the image and the source of its content. Encoded big-endian: 8 bytes offset, 2
/// bytes length, 1 byte type (low nibble image, high nibble kind), then the operand of the kind.
package struct DeltaItem: Hashable, Sendable {
    /// The image the page belongs to.
    package let image: OverlayImage
    /// Offset in the image, a multiple of 4096.
    package let offset: Int
    /// The length of the page in bytes: 4096, or fewer for a short last page.
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
        /// A VCDIFF patch of `payload` bytes follows, whose source are the base's bytes at the same offset.
        case xdelta(payload: Int)
        /// The page of an earlier item of this blob, which must have the same length.
        case sameAs(OverlayImage, offset: Int)
        /// The base's disk from this offset on, a multiple of 512.
        case baseDisk(offset: Int)
        /// The base's memory snapshot from this offset on, a multiple of 4096.
        case baseMemory(offset: Int)
        /// Zeros. The original fills a whole page, whatever the length.
        case zeros

        /// The kind of the item.
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

    /// The six kinds of items; the raw value is the high nibble of the type byte.
    package enum Kind: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
        case raw = 0x10
        case xdelta = 0x20
        case sameAs = 0x30
        case baseDisk = 0x40
        case baseMemory = 0x50
        case zeros = 0x60

        /// The name for tables and JSON.
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

    /// The number of the page in its image.
    package var page: Int { offset / Page.size }

    /// The size of the item without its payload, in bytes. All kinds except zeros have an operand of 8 bytes.
    var headerBytes: Int { content == .zeros ? 11 : 19 }

    /// The largest size of an item in bytes: header, length of the payload, and a payload of a page.
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
