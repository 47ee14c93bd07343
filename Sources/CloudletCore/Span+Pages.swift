// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Glibc

extension Span<UInt8> {
    /// Whether every byte is zero.
    package var isAllZeros: Bool {
        unsafe withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress, !buffer.isEmpty else { return true }
            // The first byte is zero, and every byte equals the one before it.
            return unsafe start[0] == 0 && memcmp(start, start + 1, buffer.count - 1) == 0
        }
    }

    /// At how many positions both spans have the same byte. They must have the same length.
    package func countOfSameBytes(as other: Span<UInt8>) -> Int {
        precondition(count == other.count, "spans of different length")
        return unsafe withUnsafeBytes { left in
            unsafe other.withUnsafeBytes { right in
                var total = 0
                var position = 0
                let whole = count / 16 * 16
                while position < whole {
                    // A lane counts to 255 at most before it is added to the total. A lane of the mask is 0 or -1.
                    let end = Swift.min(position + 16 * 255, whole)
                    var same = SIMD16<UInt8>()
                    while position < end {
                        let one = unsafe left.loadUnaligned(fromByteOffset: position, as: SIMD16<UInt8>.self)
                        let two = unsafe right.loadUnaligned(fromByteOffset: position, as: SIMD16<UInt8>.self)
                        same &-= unsafe unsafeBitCast(one .== two, to: SIMD16<UInt8>.self)
                        position += 16
                    }
                    total += Int(SIMD16<UInt16>(truncatingIfNeeded: same).wrappedSum())
                }
                for index in whole..<count where unsafe left[index] == right[index] { total += 1 }
                return total
            }
        }
    }

    /// The length of the common prefix of both spans. They must have the same length.
    package func countOfSamePrefix(as other: Span<UInt8>) -> Int {
        precondition(count == other.count, "spans of different length")
        return unsafe withUnsafeBytes { left in
            unsafe other.withUnsafeBytes { right in
                var position = 0
                while position + 8 <= count {
                    let one = unsafe left.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                    let two = unsafe right.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                    if one != two {
                        return position + (UInt64(littleEndian: one ^ two).trailingZeroBitCount >> 3)
                    }
                    position += 8
                }
                while position < count, unsafe left[position] == right[position] { position += 1 }
                return position
            }
        }
    }

    /// The unsigned integer at `position`, most significant byte first. All of its bytes must lie inside the span.
    @inlinable package func bigEndian<T: FixedWidthInteger & UnsignedInteger>(at position: Int, as _: T.Type) -> T {
        precondition(position >= 0 && position <= count - MemoryLayout<T>.size, "an integer past the end")
        return unsafe withUnsafeBytes { T(bigEndian: unsafe $0.loadUnaligned(fromByteOffset: position, as: T.self)) }
    }

    /// Whether two spans hold the same bytes.
    package func hasSameBytes(as other: Span<UInt8>) -> Bool {
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
    package init(copying span: Span<UInt8>) {
        self = []
        append(copying: span)
    }

    /// Appends the bytes of a span.
    package mutating func append(copying span: Span<UInt8>) {
        unsafe span.withUnsafeBufferPointer { buffer in unsafe append(contentsOf: buffer) }
    }
}
