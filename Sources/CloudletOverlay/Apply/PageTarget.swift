public import CloudletCore

/// Takes the pages of one image while a VM is rebuilt. Called from several tasks at once, never twice for a page.
public protocol PageTarget: Sendable {
    /// Stores whole pages that lie behind each other, the first at `offset`; only an image's last page is shorter.
    func place(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError)
    /// Makes whole pages that lie behind each other zeros, `length` bytes from `offset` on.
    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError)
    /// Reads back a page that was placed.
    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError)
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
