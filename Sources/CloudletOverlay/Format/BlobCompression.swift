// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// How a blob is compressed: the values of `overlay_compression`, a key that elijah-cloudlet 0.9 added to the description
/// of a blob. A blob without the key is xz, as in 0.8.
public enum BlobCompression: UInt64, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// xz (The .xz File Format); 0.9's value.
    case xz = 1
    /// zstd (RFC 8878); an extension. 0.9's other values, 2 (bzip2) and 3 (gzip), are refused.
    case zstd = 16

    /// The name for tables and JSON.
    public var description: String { self == .xz ? "xz" : "zstd" }

    /// The size of a file without content, in bytes. An xz file has a header and a footer of 12 bytes each and an index of
    /// at least 8 (The .xz File Format 1.2.1, §2); a zstd frame has a magic number, two bytes of header and the header of
    /// one block (RFC 8878 §3.1.1).
    var emptyFileBytes: Int { self == .xz ? 32 : 9 }

    /// The extension of file names of blobs. The original's mobile client treats the one file without it as the meta.
    package var fileExtension: String { self == .xz ? "xz" : "zst" }
}
