// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Reads MessagePack values one by one from a span, without building a tree.
///
/// Reads the old raw form (fixraw, raw16, raw32), and also what newer encoders write: str8, bin8/16/32 and integers of
/// any width. Extension types are refused. Source: MessagePack specification, before and after the 2013 change.
package struct MessagePackReader: ~Escapable {
    private var bytes: ByteReader
    /// The deepest nesting that ``skipValue()`` and ``readValue()`` accept.
    package static let maximumDepth = 16

    /// A reader at the first byte of `bytes`.
    @_lifetime(copy bytes)
    package init(_ bytes: Span<UInt8>) { self.bytes = ByteReader(bytes) }

    /// Offset of the next value.
    package var position: Int { bytes.position }

    /// How many bytes are left.
    package var remaining: Int { bytes.remaining }

    /// Checks that everything was read.
    package func requireEnd() throws(MessagePackError) {
        if remaining > 0 { throw MessagePackError(problem: .trailingBytes(remaining), position: position) }
    }

    /// Reads the header of a map.
    /// - Returns: the number of pairs, whose keys and values follow.
    package mutating func readMapHeader() throws(MessagePackError) -> Int {
        let start = position
        let marker = try readByte()
        let count =
            switch marker {
            case 0x80...0x8F: Int(marker & 0x0F)
            case 0xDE: Int(try readBig(UInt16.self))
            case 0xDF: Int(try readBig(UInt32.self))
            default: throw MessagePackError(problem: .unexpectedType(wanted: "a map", marker: marker), position: start)
            }
        return try checkCount(count, bytesEach: 2, at: start)
    }

    /// Reads the header of an array.
    /// - Returns: the number of elements, which follow.
    package mutating func readArrayHeader() throws(MessagePackError) -> Int {
        let start = position
        let marker = try readByte()
        let count =
            switch marker {
            case 0x90...0x9F: Int(marker & 0x0F)
            case 0xDC: Int(try readBig(UInt16.self))
            case 0xDD: Int(try readBig(UInt32.self))
            default:
                throw MessagePackError(problem: .unexpectedType(wanted: "an array", marker: marker), position: start)
            }
        return try checkCount(count, bytesEach: 1, at: start)
    }

    /// Reads a number that is not negative, of any integer width.
    package mutating func readUnsigned() throws(MessagePackError) -> UInt64 {
        let start = position
        let marker = try readByte()
        switch marker {
        case 0x00...0x7F: return UInt64(marker)
        case 0xCC: return UInt64(try readByte())
        case 0xCD: return UInt64(try readBig(UInt16.self))
        case 0xCE: return UInt64(try readBig(UInt32.self))
        case 0xCF: return try readBig(UInt64.self)
        case 0xD0...0xD3, 0xE0...0xFF:
            let value = try readSigned(marker)
            guard value >= 0 else { throw MessagePackError(problem: .outOfRange, position: start) }
            return UInt64(value)
        default: throw MessagePackError(problem: .unexpectedType(wanted: "an integer", marker: marker), position: start)
        }
    }

    /// Reads raw bytes (raw, str or bin of any length form).
    package mutating func readRaw() throws(MessagePackError) -> [UInt8] {
        let start = position
        let marker = try readByte()
        guard let length = try readRawLength(marker) else {
            throw MessagePackError(problem: .unexpectedType(wanted: "a raw value", marker: marker), position: start)
        }
        do { return try bytes.readArray(length) } catch { throw MessagePackError(problem: .truncated, position: start) }
    }

    /// Reads raw bytes that must be UTF-8.
    package mutating func readText() throws(MessagePackError) -> String {
        let start = position
        guard let text = String(validating: try readRaw(), as: UTF8.self) else {
            throw MessagePackError(problem: .notText, position: start)
        }
        return text
    }

    /// Skips one value of any type.
    package mutating func skipValue() throws(MessagePackError) { try skipValue(depth: 0) }

    /// Reads one value of any type as a tree; for small messages.
    package mutating func readValue() throws(MessagePackError) -> MessagePackValue { try readValue(depth: 0) }

    private mutating func skipValue(depth: Int) throws(MessagePackError) {
        let start = position
        guard depth <= Self.maximumDepth else {
            throw MessagePackError(problem: .tooDeep(limit: Self.maximumDepth), position: start)
        }
        var probe = self
        let marker = try probe.readByte()
        switch marker {
        case 0x80...0x8F, 0xDE, 0xDF:
            for _ in 0..<(2 * (try readMapHeader())) { try skipValue(depth: depth + 1) }
        case 0x90...0x9F, 0xDC, 0xDD:
            for _ in 0..<(try readArrayHeader()) { try skipValue(depth: depth + 1) }
        default:
            _ = try readScalar()
        }
    }

    private mutating func readValue(depth: Int) throws(MessagePackError) -> MessagePackValue {
        let start = position
        guard depth <= Self.maximumDepth else {
            throw MessagePackError(problem: .tooDeep(limit: Self.maximumDepth), position: start)
        }
        var probe = self
        let marker = try probe.readByte()
        switch marker {
        case 0x80...0x8F, 0xDE, 0xDF:
            let count = try readMapHeader()
            var pairs: [MessagePackValue.Pair] = []
            for _ in 0..<count {
                let key = try readValue(depth: depth + 1)
                pairs.append(.init(key, try readValue(depth: depth + 1)))
            }
            return .map(pairs)
        case 0x90...0x9F, 0xDC, 0xDD:
            let count = try readArrayHeader()
            var elements: [MessagePackValue] = []
            for _ in 0..<count { elements.append(try readValue(depth: depth + 1)) }
            return .array(elements)
        default:
            return try readScalar()
        }
    }

    private mutating func readScalar() throws(MessagePackError) -> MessagePackValue {
        let start = position
        let marker = try readByte()
        switch marker {
        case 0x00...0x7F: return .unsigned(UInt64(marker))
        case 0xC0: return .nil
        case 0xC2, 0xC3: return .bool(marker == 0xC3)
        case 0xCA: return .double(Double(Float(bitPattern: try readBig(UInt32.self))))
        case 0xCB: return .double(Double(bitPattern: try readBig(UInt64.self)))
        case 0xCC: return .unsigned(UInt64(try readByte()))
        case 0xCD: return .unsigned(UInt64(try readBig(UInt16.self)))
        case 0xCE: return .unsigned(UInt64(try readBig(UInt32.self)))
        case 0xCF: return .unsigned(try readBig(UInt64.self))
        case 0xD0...0xD3, 0xE0...0xFF:
            let value = try readSigned(marker)
            return value >= 0 ? .unsigned(UInt64(value)) : .negative(value)
        default:
            guard let length = try readRawLength(marker) else {
                throw MessagePackError(problem: .unsupportedMarker(marker), position: start)
            }
            do { return .raw(try bytes.readArray(length)) } catch {
                throw MessagePackError(problem: .truncated, position: start)
            }
        }
    }

    private mutating func readSigned(_ marker: UInt8) throws(MessagePackError) -> Int64 {
        switch marker {
        case 0xD0: Int64(Int8(bitPattern: try readByte()))
        case 0xD1: Int64(Int16(bitPattern: try readBig(UInt16.self)))
        case 0xD2: Int64(Int32(bitPattern: try readBig(UInt32.self)))
        case 0xD3: Int64(bitPattern: try readBig(UInt64.self))
        default: Int64(Int8(bitPattern: marker))
        }
    }

    private mutating func readRawLength(_ marker: UInt8) throws(MessagePackError) -> Int? {
        switch marker {
        case 0xA0...0xBF: Int(marker & 0x1F)
        case 0xC4, 0xD9: Int(try readByte())
        case 0xC5, 0xDA: Int(try readBig(UInt16.self))
        case 0xC6, 0xDB: Int(try readBig(UInt32.self))
        default: nil
        }
    }

    private func checkCount(_ count: Int, bytesEach: Int, at start: Int) throws(MessagePackError) -> Int {
        guard count <= remaining / bytesEach else {
            throw MessagePackError(problem: .impossibleCount(count), position: start)
        }
        return count
    }

    private mutating func readByte() throws(MessagePackError) -> UInt8 { try readBig(UInt8.self) }

    private mutating func readBig<T: FixedWidthInteger & UnsignedInteger>(_: T.Type) throws(MessagePackError) -> T {
        do { return try bytes.readBigEndian(T.self) } catch {
            throw MessagePackError(problem: .truncated, position: error.position)
        }
    }
}
