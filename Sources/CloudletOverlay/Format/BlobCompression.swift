/// How a blob is compressed: the values of `overlay_compression`, a key of version 0.9 in the description of each
/// blob. A blob without it is xz, as all were before.
public enum BlobCompression: UInt64, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// xz; 0.9's value.
    case xz = 1
    /// zstd; a value of ours. 0.9's others, 2 (bzip2) and 3 (gzip), are not read.
    case zstd = 16

    /// The word for tables and JSON.
    public var description: String { self == .xz ? "xz" : "zstd" }

    /// Bytes of a file without content. An xz file has a header and a footer of 12 bytes each and an index of at least 8
    /// (The .xz File Format 1.2.1, §2); a zstd frame has a magic number, two bytes of header and the header of one block
    /// (RFC 8878 §3.1.1).
    var emptyFileBytes: Int { self == .xz ? 32 : 9 }

    /// The end of blobs' names. The original's mobile client takes the one file that does not end so for the meta.
    public var fileExtension: String { self == .xz ? "xz" : "zst" }
}
