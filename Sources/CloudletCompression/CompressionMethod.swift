/// How blobs are compressed.
package enum CompressionMethod: String, Sendable, Hashable, CaseIterable {
    /// The original's: smallest, slow to decode.
    case xz
    /// For nodes of ours: a tenth to a quarter larger, applied with a quarter of the time.
    case zstd

    /// The levels that can be chosen.
    package var levels: ClosedRange<Int> { self == .xz ? 0...9 : 1...19 }

    /// The level taken when none is chosen; the article Compression has the table behind it.
    package var defaultLevel: Int { self == .xz ? 6 : 9 }
}
