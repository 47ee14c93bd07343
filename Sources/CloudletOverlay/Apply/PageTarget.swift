// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Receives the pages of one image while a VM is rebuilt. Methods are called from several tasks at once, and no page is
/// placed twice.
package protocol PageTarget: Sendable {
    /// Stores runs of whole pages; only the last page of an image can be shorter.
    /// - Parameters:
    ///   - runs: the range of bytes of the image that each run covers.
    ///   - bytes: the bytes of the runs, one run after the other.
    /// - Throws: `CloudletError` when they can't be written.
    func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError)
    /// Stores consecutive whole pages of zeros: `length` bytes from `offset` on.
    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError)
    /// Reads `count` bytes of a page that was placed into the front of `buffer`.
    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError)
}

extension PageTarget {
    /// Stores consecutive whole pages, the first at `offset`.
    package func place(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError) {
        try place([offset..<offset + bytes.count], of: bytes)
    }
}

extension [Range<Int>] {
    /// Calls `body` with each range and its part of `bytes`, which holds the bytes of all ranges one after the other.
    package func forEachPart(
        of bytes: Span<UInt8>, _ body: (Range<Int>, Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        var done = 0
        for range in self {
            try body(range, bytes.extracting(done..<done + range.count))
            done += range.count
        }
    }
}

/// The targets for both images.
package struct PageTargets: Sendable {
    /// Receives the pages of the memory snapshot.
    package let memory: any PageTarget
    /// Receives the pages of the disk.
    package let disk: any PageTarget

    /// Joins two targets.
    package init(memory: any PageTarget, disk: any PageTarget) {
        self.memory = memory
        self.disk = disk
    }

    subscript(image: OverlayImage) -> any PageTarget { image == .memory ? memory : disk }
}
