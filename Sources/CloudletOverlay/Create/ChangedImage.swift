// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem

/// An image of a customised VM: the ranges in which it may differ from the base, each with the location of its bytes. The
/// rest is as in the base.
package struct ChangedImage: Sendable {
    /// A range of the image and the location of its bytes.
    package struct Extent: Sendable {
        /// The range in the image, in bytes; it starts at a page boundary.
        package let range: Range<Int>
        /// Where they are stored.
        package let source: Source

        /// Creates an extent.
        package init(_ range: Range<Int>, _ source: Source) {
            self.range = range
            self.source = source
        }
    }

    /// Where the bytes of an extent are stored.
    package enum Source: Sendable {
        /// In a file, from this offset on.
        case file(File, offset: Int)
        /// Nowhere: they are zeros.
        case zeros
    }

    /// Which image.
    package let image: OverlayImage
    /// Bytes of the image.
    package let size: Int
    /// The extents in ascending order, without overlaps.
    package let extents: [Extent]

    /// Creates an image from its extents.
    package init(_ image: OverlayImage, size: Int, extents: [Extent]) {
        self.image = image
        self.size = size
        self.extents = extents
    }

    /// A whole file compared with its base: the ranges in which either of them has data. Where both have holes they are
    /// equal.
    package static func file(_ file: File, base: File, as image: OverlayImage) throws(CloudletError) -> ChangedImage {
        let size = try file.size()
        var extents: [Extent] = []
        var position = 0
        func addZeros(_ hole: Range<Int>) throws(CloudletError) {
            // The new file has a hole; where the base has data, that is a change.
            try base.forEachDataExtent(in: hole) { (range) throws(CloudletError) in
                extents.append(Extent(range, .zeros))
            }
        }
        try file.forEachDataExtent(in: 0..<size) { (range) throws(CloudletError) in
            try addZeros(position..<range.lowerBound)
            extents.append(Extent(range, .file(file, offset: range.lowerBound)))
            position = range.upperBound
        }
        try addZeros(position..<size)
        return ChangedImage(image, size: size, extents: extents)
    }

    /// Reads the page that starts at `offset`, which must lie in an extent.
    /// - Returns: how many bytes were read.
    func readPage(at offset: Int, into buffer: inout [UInt8]) throws(CloudletError) -> Int {
        try read(upTo: Page.size, at: offset, into: &buffer)
    }

    /// Reads from `offset`, which must lie in an extent, into the front of `buffer`.
    /// - Returns: how many bytes were read: fewer than `count` where the extent or the image ends.
    func read(upTo count: Int, at offset: Int, into buffer: inout [UInt8]) throws(CloudletError) -> Int {
        var low = 0
        var high = extents.count
        while low < high {
            let middle = (low + high) / 2
            if extents[middle].range.upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        guard low < extents.count, extents[low].range.contains(offset) else {
            throw CloudletError(.defect, "byte \(offset) of the \(image) image was not captured")
        }
        let end = min(offset + count, Page.roundUp(extents[low].range.upperBound), size)
        try extents[low].read(offset..<end, into: &buffer)
        return end - offset
    }
}

extension ChangedImage.Extent {
    /// A part of the extent, as an extent.
    func part(_ part: Range<Int>) -> ChangedImage.Extent {
        switch source {
        case .zeros: ChangedImage.Extent(part, .zeros)
        case .file(let file, let offset):
            ChangedImage.Extent(part, .file(file, offset: offset + part.lowerBound - range.lowerBound))
        }
    }

    /// Reads a part of the extent into the front of `buffer`.
    func read(_ part: Range<Int>, into buffer: inout [UInt8]) throws(CloudletError) {
        switch source {
        case .zeros:
            for index in 0..<part.count { buffer[index] = 0 }
        case .file(let file, let offset):
            let got = try file.read(into: &buffer, count: part.count, at: offset + part.lowerBound - range.lowerBound)
            // Past the stored end of a sparse file there are zeros.
            for index in got..<part.count { buffer[index] = 0 }
        }
    }
}
