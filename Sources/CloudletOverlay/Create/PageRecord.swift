import CloudletCore

/// A page that differs from the base at its place, and what is known of its content. Sixteen bytes each: the only
/// thing of an overlay under construction that is kept in memory.
struct PageRecord: Sendable {
    /// What a page's content is.
    enum Content: UInt8, Sendable {
        case zeros
        case baseMemory
        case baseDisk
        /// Content of its own; `value` is the start of its hash.
        case own
        /// The same as another page; `value` is that page's index in the list of records.
        case same
    }

    let page: UInt32
    let image: OverlayImage
    var content: Content
    /// Base offset, start of the hash, or index; see ``Content``.
    var value: UInt64

    var offset: Int { Int(page) * Page.size }

    /// Bytes the item takes before compression, patches not foreseen.
    var estimatedBytes: Int {
        switch content {
        case .zeros: 11
        case .baseMemory, .baseDisk, .same: 19
        case .own: 19 + Page.size
        }
    }
}
