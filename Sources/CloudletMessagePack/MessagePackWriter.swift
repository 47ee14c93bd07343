// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Writes MessagePack in the old raw form only: text and bytes as fixraw up to 31 bytes, raw16, raw32; never str8 or
/// bin, which the clients and servers of 2013 refuse. Integers get their shortest form.
package struct MessagePackWriter: Sendable {
    /// The bytes written so far.
    package private(set) var bytes: [UInt8] = []

    /// Creates an empty writer.
    package init() {}

    /// Starts a map; `count` keys and values must follow.
    package mutating func writeMapHeader(_ count: Int) { writeHeader(count, fixed: 0x80, limit: 16, wide: 0xDE) }

    /// Starts an array; `count` values must follow.
    package mutating func writeArrayHeader(_ count: Int) { writeHeader(count, fixed: 0x90, limit: 16, wide: 0xDC) }

    /// Writes an integer that is not negative.
    package mutating func write(_ value: UInt64) {
        switch value {
        case 0...0x7F: bytes.append(UInt8(value))
        case 0...0xFF:
            bytes.append(0xCC)
            bytes.append(UInt8(value))
        case 0...0xFFFF:
            bytes.append(0xCD)
            bytes.appendBigEndian(UInt16(value))
        case 0...0xFFFF_FFFF:
            bytes.append(0xCE)
            bytes.appendBigEndian(UInt32(value))
        default:
            bytes.append(0xCF)
            bytes.appendBigEndian(value)
        }
    }

    /// How many bytes an integer that is not negative takes.
    package static func byteCount(of value: UInt64) -> Int {
        switch value {
        case 0...0x7F: 1
        case 0...0xFF: 2
        case 0...0xFFFF: 3
        case 0...0xFFFF_FFFF: 5
        default: 9
        }
    }

    /// Writes a text.
    package mutating func write(_ text: String) { write(raw: Array(text.utf8)) }

    /// Writes bytes.
    package mutating func write(raw: [UInt8]) {
        writeHeader(raw.count, fixed: 0xA0, limit: 32, wide: 0xDA)
        bytes += raw
    }

    /// Writes any value.
    package mutating func write(_ value: MessagePackValue) {
        switch value {
        case .nil: bytes.append(0xC0)
        case .bool(let value): bytes.append(value ? 0xC3 : 0xC2)
        case .unsigned(let value): write(value)
        case .negative(let value): write(negative: value)
        case .double(let value):
            bytes.append(0xCB)
            bytes.appendBigEndian(value.bitPattern)
        case .raw(let raw): write(raw: raw)
        case .array(let elements):
            writeArrayHeader(elements.count)
            for element in elements { write(element) }
        case .map(let pairs):
            writeMapHeader(pairs.count)
            for pair in pairs {
                write(pair.key)
                write(pair.value)
            }
        }
    }

    private mutating func write(negative value: Int64) {
        switch value {
        case -32 ... -1: bytes.append(UInt8(bitPattern: Int8(value)))
        case -0x80 ... -1:
            bytes.append(0xD0)
            bytes.append(UInt8(bitPattern: Int8(value)))
        case -0x8000 ... -1:
            bytes.append(0xD1)
            bytes.appendBigEndian(UInt16(bitPattern: Int16(value)))
        case -0x8000_0000 ... -1:
            bytes.append(0xD2)
            bytes.appendBigEndian(UInt32(bitPattern: Int32(value)))
        default:
            bytes.append(0xD3)
            bytes.appendBigEndian(UInt64(bitPattern: value))
        }
    }

    /// Writes a count below `limit` into the marker `fixed`, a larger one after `wide` (16 bits) or `wide + 1` (32 bits).
    private mutating func writeHeader(_ count: Int, fixed: UInt8, limit: Int, wide: UInt8) {
        if count < limit {
            bytes.append(fixed | UInt8(count))
        } else if count <= 0xFFFF {
            bytes.append(wide)
            bytes.appendBigEndian(UInt16(count))
        } else {
            bytes.append(wide + 1)
            bytes.appendBigEndian(UInt32(count))
        }
    }
}
