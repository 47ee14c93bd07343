import Glibc

extension Span<UInt8> {
    /// Whether every byte is zero.
    public var isAllZeros: Bool {
        unsafe withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress, !buffer.isEmpty else { return true }
            // The first byte is zero, and every byte equals the one before it.
            return unsafe start[0] == 0 && memcmp(start, start + 1, buffer.count - 1) == 0
        }
    }

    /// How many bytes are the same at the same place of both spans, which must be equally long.
    public func countOfSameBytes(as other: Span<UInt8>) -> Int {
        precondition(count == other.count, "spans of different length")
        return unsafe withUnsafeBufferPointer { left in
            unsafe other.withUnsafeBufferPointer { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return 0 }
                var total = 0
                var position = 0
                while position < count {
                    // A byte counts at most 128 before it is added to the total: a loop the compiler vectorises.
                    let end = Swift.min(position + 128, count)
                    var same: UInt8 = 0
                    for index in position..<end { unsafe same &+= left[index] == right[index] ? 1 : 0 }
                    total += Int(same)
                    position = end
                }
                return total
            }
        }
    }

    /// Whether two spans hold the same bytes.
    public func hasSameBytes(as other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        return unsafe withUnsafeBufferPointer { left in
            unsafe other.withUnsafeBufferPointer { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return true }
                return unsafe memcmp(left, right, count) == 0
            }
        }
    }
}

extension Array<UInt8> {
    /// The bytes of a span.
    public init(copying span: Span<UInt8>) {
        self = []
        append(copying: span)
    }

    /// Appends the bytes of a span.
    public mutating func append(copying span: Span<UInt8>) {
        unsafe span.withUnsafeBufferPointer { buffer in unsafe append(contentsOf: buffer) }
    }
}
