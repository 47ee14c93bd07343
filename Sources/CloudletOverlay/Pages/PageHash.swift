import CloudletCore

/// Facts about single pages.
enum PageHash {
    /// SHA-256 of 4096 zero bytes.
    static let zero = SHA256Digest(hashing: [UInt8](repeating: 0, count: Page.size).span)

    /// Whether all bytes are zero.
    static func isZero(_ bytes: Span<UInt8>) -> Bool {
        var position = 0
        while position < bytes.count {
            let end = min(position + 64, bytes.count)
            var sum: UInt8 = 0
            for index in position..<end { sum |= bytes[index] }
            if sum != 0 { return false }
            position = end
        }
        return true
    }

    /// Whether two pages hold the same bytes.
    static func equal(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        var position = 0
        while position < left.count {
            let end = min(position + 64, left.count)
            var difference: UInt8 = 0
            for index in position..<end { difference |= left[index] ^ right[index] }
            if difference != 0 { return false }
            position = end
        }
        return true
    }
}
