// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Applies VCDIFF patches (RFC 3284) of the kind that overlays contain: default code table, no secondary compression, no
/// application header, source windows only. xdelta3's checksum extension does not occur there and is refused. The buffers
/// are reused for every patch.
package struct VCDIFFDecoder {
    /// The result of the last patch.
    package private(set) var output: [UInt8] = []
    private var sameAddresses = [UInt32](repeating: 0, count: VCDIFFAddressCache.sameCount)
    private let codes = VCDIFFCodeTable.entries

    private static let magic: [UInt8] = [0xD6, 0xC3, 0xC4, 0x00]

    /// Creates a decoder.
    package init() {}

    /// Rebuilds `length` bytes from `source` and `patch` as ``output``. Time and memory are bounded by these three.
    package mutating func decode(_ patch: Span<UInt8>, source: Span<UInt8>, length: Int) throws(VCDIFFError) {
        var bytes = VCDIFFBytes(patch)
        for expected in Self.magic {
            guard let byte = try? bytes.readByte(), byte == expected else { throw .notVCDIFF }
        }
        guard try bytes.readByte() == 0 else { throw .unsupportedHeader }
        if output.count != length { output = [UInt8](repeating: 0, count: length) }
        var produced = 0
        repeat {
            try Self.decodeWindow(&bytes, source: source, codes, &sameAddresses, into: &output, &produced)
        } while !bytes.isAtEnd
        guard produced == length else { throw .wrongTargetLength }
    }

    /// Decodes a window to `output`, after the bytes that were `produced` before.
    private static func decodeWindow(
        _ bytes: inout VCDIFFBytes, source: Span<UInt8>, _ codes: [VCDIFFCodeTable.Entry],
        _ sameAddresses: inout [UInt32], into output: inout [UInt8], _ produced: inout Int
    ) throws(VCDIFFError) {
        // Window indicator: 0 no source, 1 a segment of the source.
        let indicator = try bytes.readByte()
        guard indicator <= 1 else { throw .unsupportedWindow }
        var segmentStart = 0
        var segmentSize = 0
        if indicator == 1 {
            segmentSize = try bytes.readInteger()
            segmentStart = try bytes.readInteger()
            guard segmentStart + segmentSize <= source.count else { throw .sourceOutOfRange }
        }
        let segment = source.extracting(segmentStart..<segmentStart + segmentSize)

        let deltaLength = try bytes.readInteger()
        var delta = VCDIFFBytes(try bytes.readSpan(deltaLength))
        let targetSize = try delta.readInteger()
        guard produced + targetSize <= output.count else { throw .outputTooLong }
        guard try delta.readByte() == 0 else { throw .unsupportedWindow }
        let dataSize = try delta.readInteger()
        let instructionSize = try delta.readInteger()
        let addressSize = try delta.readInteger()
        var data = VCDIFFBytes(try delta.readSpan(dataSize))
        var instructions = VCDIFFBytes(try delta.readSpan(instructionSize))
        var addresses = VCDIFFBytes(try delta.readSpan(addressSize))
        guard delta.isAtEnd else { throw .leftovers }

        let start = produced
        let end = start + targetSize
        var target = output.mutableSpan
        var cache = VCDIFFAddressCache(sameAddresses.mutableSpan)
        while !instructions.isAtEnd {
            let entry = codes[Int(try instructions.readByte())]
            var instruction = entry.first
            for _ in 0..<2 {
                defer { instruction = entry.second }
                if case .none = instruction.operation { continue }
                let size = instruction.size == 0 ? try instructions.readInteger() : Int(instruction.size)
                guard size <= end - produced else { throw .outputTooLong }
                switch instruction.operation {
                case .none: break
                case .add: target.copy(try data.readSpan(size), to: produced)
                case .run:
                    let byte = try data.readByte()
                    for position in produced..<produced + size { target[position] = byte }
                case .copy(let mode):
                    let address = try cache.decode(mode: mode, here: segmentSize + produced - start, &addresses)
                    let inSegment = min(size, max(0, segmentSize - address))
                    if inSegment > 0 { target.copy(segment.extracting(address..<address + inSegment), to: produced) }
                    // The rest is copied from the target, and may overlap the bytes being written.
                    target.repeatBytes(
                        from: start + address + inSegment - segmentSize, to: produced + inSegment,
                        count: size - inSegment)
                }
                produced += size
            }
        }
        guard produced == end else { throw .wrongTargetLength }
        guard data.isAtEnd, addresses.isAtEnd else { throw .leftovers }
    }
}
