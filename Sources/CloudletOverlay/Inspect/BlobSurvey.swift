// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Reads the items of one blob without placing them, and counts the kinds of items and the new bytes in each part of the
/// images. Needs no base.
package struct BlobSurvey {
    private var items: CheckedItems?
    private var findings = Findings()

    /// What a blob or an overlay contains.
    package struct Findings: Sendable, Hashable {
        /// Items and bytes by kind and image.
        package internal(set) var statistics = OverlayStatistics()
        /// Bytes of raw pages and patches, by the part of the image to which they belong.
        package internal(set) var newBytes: [ImagePart: Int] = [:]

        /// Creates empty findings.
        package init() {}

        /// Adds the findings of another blob.
        package mutating func add(_ other: Findings) {
            statistics.add(other.statistics)
            for (part, bytes) in other.newBytes { newBytes[part, default: 0] += bytes }
        }

        /// The parts of the images with the most new bytes, in descending order.
        package func largest(_ count: Int) -> [(part: ImagePart, bytes: Int)] {
            newBytes.map { (part: $0.key, bytes: $0.value) }
                .sorted {
                    ($1.bytes, $0.part.image.rawValue, $0.part.offset) < (
                        $0.bytes, $1.part.image.rawValue, $1.part.offset
                    )
                }
                .prefix(count).map { $0 }
        }
    }

    /// A part of an image, 1 MiB long.
    package struct ImagePart: Sendable, Hashable {
        /// The image.
        package let image: OverlayImage
        /// The offset of the first byte.
        package let offset: Int

        /// The length of a part in bytes.
        package static let length = 1 << 20
    }

    /// Prepares for a blob.
    package init(_ blob: OverlayMeta.Blob, geometry: OverlayGeometry) {
        items = CheckedItems(blob, geometry: geometry)
    }

    /// Reads the next piece of the decompressed blob.
    /// - Throws: `CloudletError.badData` with blob, item and byte. The survey can't be used after that.
    package mutating func read(_ bytes: Span<UInt8>) throws(CloudletError) {
        guard var items = items.take() else { throw CloudletError(.defect, "got bytes for a blob that was refused") }
        try items.feed(bytes) { (item, payload) throws(CloudletError) in
            findings.statistics.add(item.content.kind, item.image, bytes: item.headerBytes + payload.count)
            if !payload.isEmpty {
                let start = item.offset / ImagePart.length * ImagePart.length
                findings.newBytes[ImagePart(image: item.image, offset: start), default: 0] += payload.count
            }
        }
        self.items = items
    }

    /// What the blob contains.
    /// - Throws: `CloudletError.badData` when it ended inside an item or lacks some of its pages.
    package func finish() throws(CloudletError) -> Findings {
        try items?.finish()
        return findings
    }
}
