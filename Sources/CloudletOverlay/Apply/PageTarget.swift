public import CloudletCore

/// Takes the pages of one image while a VM is rebuilt. Called from several tasks at once, never twice for a page.
public protocol PageTarget: Sendable {
    /// Stores a page's bytes at `offset`.
    func place(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError)
    /// Makes `length` bytes at `offset` zeros.
    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError)
    /// Reads back a page that was placed.
    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError)
}
