import CloudletCore

/// Applies VCDIFF patches (RFC 3284) of the kind overlays carry: default code table, no secondary compression, no
/// application header, source windows only. xdelta3's checksum extension is not used there and is refused. Keeps its
/// buffers from patch to patch.
package struct VCDIFFDecoder {
    /// What the last patch gave.
    package private(set) var output: [UInt8] = []

    private var cache = VCDIFFAddressCache()

    private static let magic: [UInt8] = [0xD6, 0xC3, 0xC4, 0x00]

    /// A decoder that has read no patch.
    package init() {}

    /// Rebuilds `length` bytes from `source` and `patch` as ``output``; everything is bounded by these.
    package mutating func decode(_ patch: Span<UInt8>, source: Span<UInt8>, length: Int) throws(VCDIFFError) {
        var bytes = VCDIFFBytes(patch)
        for expected in Self.magic {
            guard let byte = try? bytes.readByte(), byte == expected else { throw .notVCDIFF }
        }
        guard try bytes.readByte() == 0 else { throw .unsupportedHeader }
        output.removeAll(keepingCapacity: true)
        output.reserveCapacity(length)
        repeat { try decodeWindow(&bytes, source: source, limit: length) } while !bytes.isAtEnd
        guard output.count == length else { throw .wrongTargetLength }
    }

    private mutating func decodeWindow(
        _ bytes: inout VCDIFFBytes, source: Span<UInt8>, limit: Int
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
        guard output.count + targetSize <= limit else { throw .outputTooLong }
        guard try delta.readByte() == 0 else { throw .unsupportedWindow }
        let dataSize = try delta.readInteger()
        let instructionSize = try delta.readInteger()
        let addressSize = try delta.readInteger()
        var data = VCDIFFBytes(try delta.readSpan(dataSize))
        var instructions = VCDIFFBytes(try delta.readSpan(instructionSize))
        var addresses = VCDIFFBytes(try delta.readSpan(addressSize))
        guard delta.isAtEnd else { throw .leftovers }

        let start = output.count
        cache.reset()
        while !instructions.isAtEnd {
            let entry = VCDIFFCodeTable.entries[Int(try instructions.readByte())]
            var instruction = entry.first
            for _ in 0..<2 {
                defer { instruction = entry.second }
                if case .none = instruction.operation { continue }
                let size = instruction.size == 0 ? try instructions.readInteger() : instruction.size
                let produced = output.count - start
                guard size <= targetSize - produced else { throw .outputTooLong }
                switch instruction.operation {
                case .none: break
                case .add: output.append(copying: try data.readSpan(size))
                case .run: output.append(contentsOf: repeatElement(try data.readByte(), count: size))
                case .copy(let mode):
                    let address = try cache.decode(mode: mode, here: segmentSize + produced, &addresses)
                    copy(size, from: address, segment: segment, targetStart: start)
                }
            }
        }
        guard output.count - start == targetSize else { throw .wrongTargetLength }
        guard data.isAtEnd, addresses.isAtEnd else { throw .leftovers }
    }

    /// Copies from source segment and target seen as one string; a copy may run into its own output.
    private mutating func copy(_ size: Int, from address: Int, segment: Span<UInt8>, targetStart: Int) {
        let inSegment = min(size, max(0, segment.count - address))
        if inSegment > 0 { output.append(copying: segment.extracting(address..<address + inSegment)) }
        for position in address + inSegment..<address + size {
            output.append(output[targetStart + position - segment.count])
        }
    }
}
