import CloudletCore

/// Makes VCDIFF patches (RFC 3284) for pages that changed in place: one window over the base page, no shifted
/// matches. Runs of equal bytes become COPY from the same place, the rest ADD.
package struct VCDIFFEncoder {
    private var data: [UInt8] = []
    private var instructions: [UInt8] = []
    private var addresses: [UInt8] = []

    /// A patch that turns `source` into `target`, or `nil` when it would be longer than `limit` bytes.
    package static func encode(source: Span<UInt8>, target: Span<UInt8>, limit: Int) -> [UInt8]? {
        var encoder = VCDIFFEncoder()
        let common = min(source.count, target.count)
        // What differs must be added: most pages are told apart from patches by that alone.
        let same = source.extracting(0..<common).countOfSameBytes(as: target.extracting(0..<common))
        guard target.count - same <= limit else { return nil }
        var position = 0
        var pendingAdd = 0
        while position < common {
            let equal = equalRun(source, target, from: position, to: common)
            if equal >= minimumCopy {
                encoder.add(target.extracting(pendingAdd..<position))
                encoder.copy(equal, from: position)
                position += equal
                pendingAdd = position
            } else {
                position += max(equal, 1)
            }
            if encoder.data.count + encoder.instructions.count > limit { return nil }
        }
        encoder.add(target.extracting(pendingAdd..<target.count))
        let patch = encoder.assemble(sourceSize: source.count, targetSize: target.count)
        return patch.count <= limit ? patch : nil
    }

    /// A COPY costs about four bytes of instruction and address.
    private static let minimumCopy = 6

    private static func equalRun(_ left: Span<UInt8>, _ right: Span<UInt8>, from start: Int, to end: Int) -> Int {
        var position = start
        while position < end, left[position] == right[position] { position += 1 }
        return position - start
    }

    /// Code 1 is ADD with the size behind it, 2…18 are ADD of 1…17 bytes.
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

    /// Code 19 is COPY in mode 0 (absolute address) with the size behind it, 20…34 are COPY of 4…18 bytes.
    private mutating func copy(_ size: Int, from address: Int) {
        if size <= 18 {
            instructions.append(UInt8(size + 16))
        } else {
            instructions.append(19)
            instructions.appendVCDIFF(size)
        }
        addresses.appendVCDIFF(address)
    }

    private func assemble(sourceSize: Int, targetSize: Int) -> [UInt8] {
        var delta: [UInt8] = []
        delta.appendVCDIFF(targetSize)
        delta.append(0)
        delta.appendVCDIFF(data.count)
        delta.appendVCDIFF(instructions.count)
        delta.appendVCDIFF(addresses.count)
        delta += data
        delta += instructions
        delta += addresses
        var patch: [UInt8] = [0xD6, 0xC3, 0xC4, 0x00, 0x00, 0x01]
        patch.appendVCDIFF(sourceSize)
        patch.appendVCDIFF(0)
        patch.appendVCDIFF(delta.count)
        return patch + delta
    }
}

extension Array<UInt8> {
    /// Appends an integer in base 128, most significant digit first (RFC 3284 §2).
    fileprivate mutating func appendVCDIFF(_ value: Int) {
        var digits: [UInt8] = [UInt8(value & 0x7F)]
        var rest = value >> 7
        while rest > 0 {
            digits.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        append(contentsOf: digits.reversed())
    }
}
