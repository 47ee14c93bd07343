// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Makes VCDIFF patches (RFC 3284) for pages that changed in place: one window over the base page, no shifted matches. Runs
/// of equal bytes become COPY from the same offset, the rest becomes ADD. The buffers are reused for every patch.
package struct VCDIFFEncoder {
    /// The last patch.
    package private(set) var patch: [UInt8] = []

    private var data: [UInt8] = []
    private var instructions: [UInt8] = []
    private var addresses: [UInt8] = []

    /// Creates an encoder.
    package init() {}

    /// Makes the ``patch`` that turns `source` into `target`.
    /// - Returns: `false` when the patch would be longer than `limit` bytes; ``patch`` is not valid then.
    package mutating func encode(source: Span<UInt8>, target: Span<UInt8>, limit: Int) -> Bool {
        patch.removeAll(keepingCapacity: true)
        data.removeAll(keepingCapacity: true)
        instructions.removeAll(keepingCapacity: true)
        addresses.removeAll(keepingCapacity: true)
        let common = min(source.count, target.count)
        // All bytes that differ must be added: for most pages this count alone shows that a patch would be too long.
        let same = source.extracting(0..<common).countOfSameBytes(as: target.extracting(0..<common))
        guard target.count - same <= limit else { return false }
        var position = 0
        var pendingAdd = 0
        while position < common {
            let equal = source.extracting(position..<common)
                .countOfSamePrefix(as: target.extracting(position..<common))
            if equal >= Self.minimumCopy {
                add(target.extracting(pendingAdd..<position))
                copy(equal, from: position)
                position += equal
                pendingAdd = position
            } else {
                position += max(equal, 1)
            }
            if data.count + instructions.count > limit { return false }
        }
        add(target.extracting(pendingAdd..<target.count))
        assemble(sourceSize: source.count, targetSize: target.count)
        return patch.count <= limit
    }

    /// A COPY takes about four bytes for instruction and address.
    private static let minimumCopy = 6

    /// Code 1 is ADD followed by the size, 2…18 are ADD of 1…17 bytes.
    private mutating func add(_ bytes: Span<UInt8>) {
        guard !bytes.isEmpty else { return }
        if bytes.count <= 17 {
            instructions.append(UInt8(bytes.count + 1))
        } else {
            instructions.append(1)
            instructions.appendVCDIFF(bytes.count)
        }
        data.append(copying: bytes)
    }

    /// Code 19 is COPY in mode 0 (absolute address) followed by the size, 20…34 are COPY of 4…18 bytes.
    private mutating func copy(_ size: Int, from address: Int) {
        if size <= 18 {
            instructions.append(UInt8(size + 16))
        } else {
            instructions.append(19)
            instructions.appendVCDIFF(size)
        }
        addresses.appendVCDIFF(address)
    }

    /// Writes the file header, the header of the one window, and the three sections.
    private mutating func assemble(sourceSize: Int, targetSize: Int) {
        let sections = [data.count, instructions.count, addresses.count]
        let deltaBytes =
            Self.bytes(of: targetSize) + 1 + sections.reduce(0) { $0 + Self.bytes(of: $1) + $1 }
        patch += [0xD6, 0xC3, 0xC4, 0x00, 0x00, 0x01]
        patch.appendVCDIFF(sourceSize)
        patch.appendVCDIFF(0)
        patch.appendVCDIFF(deltaBytes)
        patch.appendVCDIFF(targetSize)
        patch.append(0)
        for section in sections { patch.appendVCDIFF(section) }
        patch += data
        patch += instructions
        patch += addresses
    }

    /// The encoded size of an integer in bytes.
    private static func bytes(of value: Int) -> Int { max(1, (Int.bitWidth - value.leadingZeroBitCount + 6) / 7) }
}

extension Array<UInt8> {
    /// Appends an integer in base 128, most significant digit first (RFC 3284 §2).
    fileprivate mutating func appendVCDIFF(_ value: Int) {
        var shift = 0
        while value >> (shift + 7) > 0 { shift += 7 }
        while shift > 0 {
            append(UInt8(value >> shift & 0x7F) | 0x80)
            shift -= 7
        }
        append(UInt8(value & 0x7F))
    }
}
