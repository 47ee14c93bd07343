// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Crypto

/// A SHA-256 value (FIPS 180-4), such as the identity of a base VM.
public struct SHA256Digest: Hashable, Sendable, Comparable {
    /// The 32 bytes as four big-endian words, so that comparing words compares bytes.
    package let words: (UInt64, UInt64, UInt64, UInt64)

    /// Creates a digest from four words, the most significant first.
    package init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// Creates a digest from 32 bytes; `nil` for any other number of bytes.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count == 32 else { return nil }
        func word(_ start: Int) -> UInt64 {
            var value: UInt64 = 0
            for index in start..<start + 8 { value = value << 8 | UInt64(bytes[index]) }
            return value
        }
        words = (word(0), word(8), word(16), word(24))
    }

    /// Creates a digest from 64 hexadecimal digits of either case; `nil` for anything else.
    public init?(hex: some StringProtocol) {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in hex.utf8 {
            guard let digit = Self.value(ofHexDigit: character) else { return nil }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        guard high == nil else { return nil }
        self.init(bytes.span)
    }

    /// Computes the digest of `bytes`.
    package init(hashing bytes: Span<UInt8>) {
        var hasher = SHA256Hasher()
        hasher.update(bytes)
        self = hasher.finalize()
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(32)
        for word in [words.0, words.1, words.2, words.3] { result.appendBigEndian(word) }
        return result
    }

    /// 64 lower-case hexadecimal digits.
    public var hex: String {
        String(decoding: bytes.flatMap { [Self.digits[Int($0 >> 4)], Self.digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The first twelve digits, enough to distinguish base VMs in a list.
    public var short: String { String(hex.prefix(12)) }

    /// Equality of all 32 bytes.
    public static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    /// Orders digests by their bytes, the first byte being the most significant.
    public static func < (left: Self, right: Self) -> Bool { left.words < right.words }

    /// Hashes all four words.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func value(ofHexDigit character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x41...0x46: character - 0x41 + 10
        case 0x61...0x66: character - 0x61 + 10
        default: nil
        }
    }
}

extension SHA256Digest: CustomStringConvertible {
    /// The same as ``hex``.
    public var description: String { hex }
}

/// Computes a SHA-256 value over data that arrives in pieces.
package struct SHA256Hasher: Sendable {
    private var state = SHA256()

    /// A hasher without input.
    package init() {}

    /// Adds bytes.
    package mutating func update(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe state.update(bufferPointer: UnsafeRawBufferPointer(buffer))
        }
    }

    /// The digest of all bytes added so far.
    package func finalize() -> SHA256Digest {
        unsafe state.finalize().withUnsafeBytes { raw in
            func word(_ index: Int) -> UInt64 {
                unsafe UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            }
            return SHA256Digest(words: (word(0), word(1), word(2), word(3)))
        }
    }
}
