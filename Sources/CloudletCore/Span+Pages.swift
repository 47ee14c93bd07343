extension Span<UInt8> {
    /// Whether every byte is zero.
    @inlinable public var isAllZeros: Bool {
        var position = 0
        while position < count {
            let end = Swift.min(position + 64, count)
            var sum: UInt8 = 0
            for index in position..<end { sum |= self[index] }
            if sum != 0 { return false }
            position = end
        }
        return true
    }

    /// Whether two spans hold the same bytes.
    @inlinable
    public func hasSameBytes(as other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        var position = 0
        while position < count {
            let end = Swift.min(position + 64, count)
            var difference: UInt8 = 0
            for index in position..<end { difference |= self[index] ^ other[index] }
            if difference != 0 { return false }
            position = end
        }
        return true
    }
}
