/// Reads integers and slices from the front of a span; every read is bounds-checked and says where it failed.
public struct ByteReader: ~Escapable {
    private let bytes: Span<UInt8>
    /// How many bytes have been consumed.
    public private(set) var position: Int

    /// A reader at the first byte of `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: Span<UInt8>) {
        self.bytes = bytes
        self.position = 0
    }

    /// How many bytes are left.
    public var remaining: Int { bytes.count - position }

    /// One byte.
    public mutating func readUInt8() throws(OutOfBytes) -> UInt8 {
        try require(1)
        defer { position += 1 }
        return bytes[position]
    }

    /// An unsigned integer of the type's width, most significant byte first.
    public mutating func readBigEndian<T: FixedWidthInteger & UnsignedInteger>(_: T.Type) throws(OutOfBytes) -> T {
        let width = T.bitWidth / 8
        try require(width)
        var value: T = 0
        for index in position..<position + width { value = value << 8 | T(truncatingIfNeeded: bytes[index]) }
        position += width
        return value
    }

    /// The next `count` bytes, not copied.
    @_lifetime(copy self)
    public mutating func readSpan(_ count: Int) throws(OutOfBytes) -> Span<UInt8> {
        try require(count)
        let start = position
        position += count
        return bytes.extracting(start..<start + count)
    }

    /// The next `count` bytes as an array.
    public mutating func readArray(_ count: Int) throws(OutOfBytes) -> [UInt8] {
        try require(count)
        let start = position
        position += count
        return [UInt8](copying: bytes.extracting(start..<start + count))
    }

    private func require(_ count: Int) throws(OutOfBytes) {
        guard count >= 0, count <= remaining else {
            throw OutOfBytes(position: position, needed: count, left: remaining)
        }
    }
}

/// The input ended before a value was complete.
public struct OutOfBytes: Error, Equatable, CustomStringConvertible {
    /// Offset of the value that was to be read.
    public let position: Int
    /// Its length in bytes.
    public let needed: Int
    /// The bytes that were left.
    public let left: Int

    /// A sentence with the position.
    public var description: String { "\(needed) bytes wanted at byte \(position), \(left) left" }
}
