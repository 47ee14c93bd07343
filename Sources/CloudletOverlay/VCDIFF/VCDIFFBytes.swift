// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Reads a section of a patch from the front.
struct VCDIFFBytes: ~Escapable {
    private let bytes: Span<UInt8>
    private var position = 0

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }
    var remaining: Int { bytes.count - position }

    mutating func readByte() throws(VCDIFFError) -> UInt8 {
        guard position < bytes.count else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    /// Reads an integer in base 128, most significant digit first, continued while bit 7 is set (RFC 3284 §2); at most 31
    /// bits, far more than a page needs.
    mutating func readInteger() throws(VCDIFFError) -> Int {
        var value = 0
        while true {
            let byte = try readByte()
            value = value << 7 | Int(byte & 0x7F)
            guard value <= 0x7FFF_FFFF else { throw .integerTooLarge }
            if byte & 0x80 == 0 { return value }
        }
    }

    @_lifetime(copy self)
    mutating func readSpan(_ count: Int) throws(VCDIFFError) -> Span<UInt8> {
        guard count <= remaining else { throw .truncated }
        let start = position
        position += count
        return bytes.extracting(start..<start + count)
    }
}
