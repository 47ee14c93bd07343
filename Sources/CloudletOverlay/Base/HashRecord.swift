// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// An offset in an image and the SHA-256 of the 4096 bytes there. It takes 44 bytes in the original's hash lists: 8 bytes
/// offset, 4 bytes length, 32 bytes hash, all big-endian.
package struct HashRecord: Hashable, Sendable, Comparable {
    /// The size of a record in a list, in bytes.
    package static let byteCount = 44
    /// The offset of the hash in a record.
    static let hashPosition = 12

    /// The hash.
    package let hash: SHA256Digest
    /// Byte offset in the image.
    package let offset: Int
    /// How many bytes were hashed: 4096, or fewer for a short last page of a memory snapshot.
    package let length: Int

    /// Creates a record.
    package init(hash: SHA256Digest, offset: Int, length: Int = Page.size) {
        self.hash = hash
        self.offset = offset
        self.length = length
    }

    /// Reads the record at the front of `bytes`; `nil` when they are too few or not a record.
    init?(_ bytes: Span<UInt8>) {
        var reader = ByteReader(bytes)
        guard let offset = try? reader.readBigEndian(UInt64.self), offset <= UInt64(Int.max),
            let length = try? reader.readBigEndian(UInt32.self), let rest = try? reader.readSpan(32),
            let hash = SHA256Digest(rest)
        else { return nil }
        self.init(hash: hash, offset: Int(offset), length: Int(length))
    }

    /// Appends the 44 bytes.
    func append(to bytes: inout [UInt8]) {
        bytes.appendBigEndian(UInt64(offset))
        bytes.appendBigEndian(UInt32(length))
        bytes.appendBigEndian(hash.words.0)
        bytes.appendBigEndian(hash.words.1)
        bytes.appendBigEndian(hash.words.2)
        bytes.appendBigEndian(hash.words.3)
    }

    /// Orders records by hash, then by offset.
    package static func < (left: Self, right: Self) -> Bool {
        left.hash.words != right.hash.words ? left.hash < right.hash : left.offset < right.offset
    }
}
