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

    /// How many bytes are the same at the same place of both spans, which are equally long.
    @inlinable
    public func countOfSameBytes(as other: Span<UInt8>) -> Int {
        var total = 0
        var position = 0
        while position < count {
            let end = Swift.min(position + 128, count)
            var same: UInt8 = 0
            for index in position..<end { same &+= self[index] == other[index] ? 1 : 0 }
            total += Int(same)
            position = end
        }
        return total
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
