// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// The sizes against which the offsets and references of an overlay are checked.
package struct OverlayGeometry: Hashable, Sendable {
    /// The size of the disk after synthesis, in bytes.
    package var disk: Int
    /// The size of the memory snapshot after synthesis, in bytes.
    package var memory: Int
    /// The size of the base's disk in bytes; `nil` without a base: references are then checked for alignment only.
    package var baseDisk: Int?
    /// The size of the base's memory snapshot in bytes; `nil` without a base.
    package var baseMemory: Int?

    /// Creates a geometry.
    package init(disk: Int, memory: Int, baseDisk: Int?, baseMemory: Int?) {
        self.disk = disk
        self.memory = memory
        self.baseDisk = baseDisk
        self.baseMemory = baseMemory
    }

    /// The size of an image after synthesis, in bytes.
    package func size(of image: OverlayImage) -> Int { image == .memory ? memory : disk }

    /// The size of an image of the base in bytes, if known.
    package func baseSize(of image: OverlayImage) -> Int? { image == .memory ? baseMemory : baseDisk }
}

/// Reads delta items from a decompressed blob that arrives in pieces of any size. Buffers at most one item.
package struct DeltaItemReader: Sendable {
    private let geometry: OverlayGeometry
    private var pending: [UInt8] = []
    /// The number of the next item.
    package private(set) var itemIndex = 0
    /// The offset of the next item in the decompressed blob.
    package private(set) var byteOffset = 0

    /// Creates a reader at the start of a blob.
    package init(_ geometry: OverlayGeometry) { self.geometry = geometry }

    /// Reads the next piece and calls `body` with each complete item and its payload, which is empty unless the item is
    /// raw or xdelta.
    /// - Throws: `.format` when the blob is not valid, `.consumer` with the error of `body`.
    package mutating func feed(
        _ input: Span<UInt8>, _ body: (DeltaItem, Span<UInt8>) throws(CloudletError) -> Void
    ) throws(DeltaReadFailure) {
        var position = 0
        if !pending.isEmpty {
            // An item began in an earlier piece: complete it from this one.
            var item: [UInt8] = []
            swap(&item, &pending)
            let before = item.count
            item.append(copying: input.extracting(0..<min(DeltaItem.maximumBytes - before, input.count)))
            guard let used = try readItem(item.span, body) else {
                swap(&item, &pending)
                return
            }
            item.removeAll(keepingCapacity: true)
            swap(&item, &pending)
            position = used - before
        }
        while position < input.count {
            guard let used = try readItem(input.extracting(position..<input.count), body) else {
                pending.append(copying: input.extracting(position..<input.count))
                return
            }
            position += used
        }
    }

    /// Checks that the blob did not end inside an item.
    package func finish() throws(OverlayFormatError) {
        if !pending.isEmpty { throw failure(.truncatedItem) }
    }

    /// Reads the item at the front of `bytes`.
    /// - Returns: how many bytes it took; `nil` when it is not complete yet.
    private mutating func readItem(
        _ bytes: Span<UInt8>, _ body: (DeltaItem, Span<UInt8>) throws(CloudletError) -> Void
    ) throws(DeltaReadFailure) -> Int? {
        var reader = ByteReader(bytes)
        let item: DeltaItem
        do {
            guard let parsed = try parse(&reader) else { return nil }
            item = parsed
        } catch {
            throw .format(error)
        }
        do {
            switch item.content {
            case .raw(let count), .xdelta(let count):
                guard let payload = try? reader.readSpan(count) else { return nil }
                try body(item, payload)
            default: try body(item, bytes.extracting(0..<0))
            }
        } catch {
            throw .consumer(error)
        }
        itemIndex += 1
        byteOffset += reader.position
        return reader.position
    }

    /// Reads an item up to its payload.
    /// - Returns: the item; `nil` when it is not complete yet.
    private func parse(_ reader: inout ByteReader) throws(OverlayFormatError) -> DeltaItem? {
        guard let rawOffset = try? reader.readBigEndian(UInt64.self),
            let rawLength = try? reader.readBigEndian(UInt16.self), let type = try? reader.readUInt8()
        else { return nil }
        guard let image = OverlayImage(rawValue: type & 0x0F) else { throw failure(.unknownImage(type & 0x0F)) }
        guard let kind = DeltaItem.Kind(rawValue: type & 0xF0) else { throw failure(.unknownKind(type & 0xF0)) }
        let size = geometry.size(of: image)
        guard rawOffset < UInt64(size), rawOffset % UInt64(Page.size) == 0 else { throw failure(.badOffset(rawOffset)) }
        let offset = Int(rawOffset)
        let length = Int(rawLength)
        let expected = min(Page.size, size - offset)
        guard length == expected else { throw failure(.badLength(length, expected: expected)) }
        if kind == .zeros { return DeltaItem(image, offset: offset, length: length, .zeros) }

        guard let operand = try? reader.readBigEndian(UInt64.self) else { return nil }
        let content: DeltaItem.Content =
            switch kind {
            case .raw: .raw(payload: try payloadLength(operand, exactly: length))
            case .xdelta: .xdelta(payload: try payloadLength(operand, atMost: Page.size))
            case .sameAs: try selfReference(operand, length)
            case .baseDisk: .baseDisk(offset: try baseReference(.disk, operand, length, alignment: Page.sector))
            case .baseMemory: .baseMemory(offset: try baseReference(.memory, operand, length, alignment: Page.size))
            case .zeros: .zeros
            }
        return DeltaItem(image, offset: offset, length: length, content)
    }

    private func payloadLength(_ value: UInt64, exactly length: Int) throws(OverlayFormatError) -> Int {
        guard value == UInt64(length) else { throw failure(.badPayloadLength(value)) }
        return length
    }

    private func payloadLength(_ value: UInt64, atMost limit: Int) throws(OverlayFormatError) -> Int {
        guard value > 0, value <= UInt64(limit) else { throw failure(.badPayloadLength(value)) }
        return Int(value)
    }

    /// Checks a reference to another item: the target's offset shifted left by one, or-ed with the target's image. The
    /// target must have the same length.
    private func selfReference(_ index: UInt64, _ length: Int) throws(OverlayFormatError) -> DeltaItem.Content {
        let low = index & UInt64(2 * Page.size - 1)
        guard low <= 2, let image = OverlayImage(rawValue: UInt8(low)),
            (index - low) >> 1 < UInt64(geometry.size(of: image))
        else { throw failure(.selfReferenceUnknown(index)) }
        let target = Int((index - low) >> 1)
        let targetLength = min(Page.size, geometry.size(of: image) - target)
        guard targetLength == length else {
            throw failure(.selfReferenceLength(index, targetLength, expected: length))
        }
        return .sameAs(image, offset: target)
    }

    /// Checks a reference to the base: it covers 4096 bytes, or fewer at the end of the base, and must have exactly the
    /// item's length.
    private func baseReference(
        _ image: OverlayImage, _ value: UInt64, _ length: Int, alignment: Int
    ) throws(OverlayFormatError) -> Int {
        guard value < UInt64(Int.max - Page.size) else { throw failure(.referenceOutOfRange(image, value)) }
        if let size = geometry.baseSize(of: image) {
            guard value < UInt64(size), min(Page.size, size - Int(value)) == length else {
                throw failure(.referenceOutOfRange(image, value))
            }
        }
        guard value % UInt64(alignment) == 0 else { throw failure(.referenceUnaligned(image, value)) }
        return Int(value)
    }

    private func failure(_ problem: OverlayFormatError.Problem) -> OverlayFormatError {
        OverlayFormatError(problem, item: itemIndex, byte: byteOffset)
    }
}

/// Why items could not be read: the blob is not valid, or the consumer of the items failed.
package enum DeltaReadFailure: Error {
    /// The blob is not valid.
    case format(OverlayFormatError)
    /// The consumer threw this.
    case consumer(CloudletError)
}
