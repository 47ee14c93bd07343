/// How a blob is compressed: the values of `overlay_compression`, a key of version 0.9 in the description of each
/// blob. A blob without it is xz, as all were before.
public enum BlobCompression: UInt64, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// xz; 0.9's value.
    case xz = 1
    /// zstd; a value of ours. 0.9's others, 2 (bzip2) and 3 (gzip), are not read.
    case zstd = 16

    /// The word for tables and JSON.
    public var description: String { self == .xz ? "xz" : "zstd" }

    /// The end of blobs' names. The original's mobile client takes the one file that does not end so for the meta.
    public var fileExtension: String { self == .xz ? "xz" : "zst" }
}
