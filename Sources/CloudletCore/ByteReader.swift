// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Reads integers and slices from the front of a span. Every read is bounds-checked, and its error names the offset.
package struct ByteReader: ~Escapable {
    @usableFromInline let bytes: Span<UInt8>
    @usableFromInline var consumed: Int
    /// How many bytes have been consumed.
    @inlinable package var position: Int { consumed }

    /// A reader at the first byte of `bytes`.
    @_lifetime(copy bytes)
    @inlinable package init(_ bytes: Span<UInt8>) {
        self.bytes = bytes
        consumed = 0
    }

    /// How many bytes are left.
    @inlinable package var remaining: Int { bytes.count - consumed }

    /// One byte.
    @inlinable package mutating func readUInt8() throws(OutOfBytes) -> UInt8 {
        try require(1)
        defer { consumed += 1 }
        return bytes[consumed]
    }

    /// An unsigned integer of the type's width, most significant byte first.
    @inlinable package mutating func readBigEndian<T: FixedWidthInteger & UnsignedInteger>(_: T.Type) throws(OutOfBytes)
        -> T
    {
        let width = T.bitWidth / 8
        try require(width)
        defer { consumed += width }
        return bytes.bigEndian(at: consumed, as: T.self)
    }

    /// The next `count` bytes, without a copy.
    @_lifetime(copy self)
    @inlinable package mutating func readSpan(_ count: Int) throws(OutOfBytes) -> Span<UInt8> {
        try require(count)
        let start = consumed
        consumed += count
        return bytes.extracting(start..<start + count)
    }

    /// The next `count` bytes as an array.
    @inlinable package mutating func readArray(_ count: Int) throws(OutOfBytes) -> [UInt8] {
        try require(count)
        let start = consumed
        consumed += count
        return [UInt8](copying: bytes.extracting(start..<start + count))
    }

    @inlinable func require(_ count: Int) throws(OutOfBytes) {
        guard count >= 0, count <= remaining else {
            throw OutOfBytes(position: consumed, needed: count, left: remaining)
        }
    }
}

/// The input ended before a value was complete.
package struct OutOfBytes: PublicError, Equatable, CustomStringConvertible {
    /// Offset of the value that could not be read.
    package let position: Int
    /// Its length in bytes.
    package let needed: Int
    /// The bytes that were left.
    package let left: Int

    @usableFromInline init(position: Int, needed: Int, left: Int) {
        self.position = position
        self.needed = needed
        self.left = left
    }

    /// A sentence with the position.
    package var description: String { "\(needed) bytes are needed at byte \(position), but only \(left) are left" }
}
