public import CloudletCore

/// Takes the pages of one image while a VM is rebuilt. Called from several tasks at once, never twice for a page.
public protocol PageTarget: Sendable {
    /// Stores whole pages that lie behind each other, the first at `offset`; only an image's last page is shorter.
    func place(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError)
    /// Stores several such runs of pages, whose bytes come one after the other.
    func place(_ runs: [PageRun], of bytes: Span<UInt8>) throws(CloudletError)
    /// Makes whole pages that lie behind each other zeros, `length` bytes from `offset` on.
    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError)
    /// Reads back a page that was placed.
    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError)
}

extension PageTarget {
    /// Stores one run after the other.
    public func place(_ runs: [PageRun], of bytes: Span<UInt8>) throws(CloudletError) {
        try runs.forEachPart(of: bytes) { (run, part) throws(CloudletError) in try place(part, at: run.offset) }
    }
}

/// Pages that lie behind each other in an image.
public struct PageRun: Sendable, Hashable {
    /// Where the first one is, a multiple of 4096.
    public let offset: Int
    /// Bytes of all of them.
    public internal(set) var count: Int

    /// `count` bytes from `offset` on.
    public init(offset: Int, count: Int) {
        self.offset = offset
        self.count = count
    }

    /// Where the next page would be.
    var end: Int { offset + count }
}

extension [PageRun] {
    /// Calls `body` with each run and its part of `bytes`.
    public func forEachPart(
        of bytes: Span<UInt8>, _ body: (PageRun, Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        var done = 0
        for run in self {
            try body(run, bytes.extracting(done..<done + run.count))
            done += run.count
        }
    }
}

/// The targets of both images.
public struct PageTargets: Sendable {
    /// Takes the pages of the memory snapshot.
    public let memory: any PageTarget
    /// Takes the pages of the disk.
    public let disk: any PageTarget

    /// Joins two targets.
    public init(memory: any PageTarget, disk: any PageTarget) {
        self.memory = memory
        self.disk = disk
    }

    subscript(image: OverlayImage) -> any PageTarget { image == .memory ? memory : disk }
}
