package import CloudletCore

/// Takes the pages of one image while a VM is rebuilt. Called from several tasks at once, never twice for a page.
package protocol PageTarget: Sendable {
    /// Stores runs of whole pages; only an image's last page is shorter.
    /// - Parameters:
    ///   - runs: the bytes of the image that each run covers.
    ///   - bytes: the runs' bytes, one run after the other.
    /// - Throws: `CloudletError` when they can't be written.
    func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError)
    /// Makes whole pages that lie behind each other zeros, `length` bytes from `offset` on.
    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError)
    /// Reads back a page that was placed.
    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError)
}

extension PageTarget {
    /// Stores whole pages that lie behind each other, the first at `offset`.
    package func place(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError) {
        try place([offset..<offset + bytes.count], of: bytes)
    }
}

extension [Range<Int>] {
    /// Calls `body` with each range and its part of `bytes`, in which those of all ranges come one after the other.
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

/// The targets of both images.
package struct PageTargets: Sendable {
    /// Takes the pages of the memory snapshot.
    package let memory: any PageTarget
    /// Takes the pages of the disk.
    package let disk: any PageTarget

    /// Joins two targets.
    package init(memory: any PageTarget, disk: any PageTarget) {
        self.memory = memory
        self.disk = disk
    }

    subscript(image: OverlayImage) -> any PageTarget { image == .memory ? memory : disk }
}
