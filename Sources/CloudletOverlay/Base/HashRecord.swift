package import CloudletCore

/// A place in an image and the SHA-256 of the 4096 bytes there; 44 bytes in the original's hash lists:
/// 8 bytes offset, 4 bytes length, 32 bytes hash, all big-endian.
package struct HashRecord: Hashable, Sendable, Comparable {
    /// Bytes of a record in a list.
    package static let byteCount = 44
    /// Where the hash is in a record.
    static let hashPosition = 12

    /// The hash.
    package let hash: SHA256Digest
    /// Byte offset in the image.
    package let offset: Int
    /// Bytes hashed; 4096, fewer only in a short last page of a memory snapshot.
    package let length: Int

    /// Creates a record.
    package init(hash: SHA256Digest, offset: Int, length: Int = Page.size) {
        self.hash = hash
        self.offset = offset
        self.length = length
    }

    /// Reads the record at the front of `bytes`.
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

    /// Order by hash, then by offset.
    package static func < (left: Self, right: Self) -> Bool {
        left.hash.words != right.hash.words ? left.hash < right.hash : left.offset < right.offset
    }
}
