import CloudletCore
package import CloudletMessagePack

/// Messages with their length in front. Length and body are always one piece: the original's Python client reads the
/// length with one call, its Android client the body.
package enum Frame {
    /// A message ready to be written.
    package static func encode(_ message: MessagePackValue) -> [UInt8] {
        var writer = MessagePackWriter()
        writer.write(message)
        var bytes: [UInt8] = []
        bytes.appendBigEndian(UInt32(writer.bytes.count))
        return bytes + writer.bytes
    }
}

/// Takes a byte stream apart into messages and the bulk data that follows some of them. Keeps at most one message.
package struct FrameReader: Sendable {
    /// What was found.
    package enum Event: Sendable, Hashable {
        /// A complete message.
        case message(MessagePackValue)
        /// Bulk data.
        case bulk([UInt8])
        /// The bulk data is complete.
        case bulkEnd
    }

    /// Longest accepted message.
    package let limit: Int
    private var pending: [UInt8] = []
    private var bulkLeft: Int?

    /// A reader that accepts messages of up to `limit` bytes.
    package init(limit: Int = 64 << 10) { self.limit = limit }

    /// Makes the next `count` bytes bulk data.
    package mutating func expectBulk(_ count: Int) { bulkLeft = count }

    /// Whether the stream may end here: not inside a message or bulk data.
    package var isAtBoundary: Bool { pending.isEmpty && bulkLeft == nil }

    /// Takes the next event off the front of `input`, removing the bytes it used; `nil` when more input is needed
    /// (the bytes are kept).
    package mutating func next(_ input: inout ArraySlice<UInt8>) throws(WireError) -> Event? {
        if let left = bulkLeft {
            if left == 0 {
                bulkLeft = nil
                return .bulkEnd
            }
            guard !input.isEmpty else { return nil }
            let taken = Array(input.prefix(left))
            input = input.dropFirst(taken.count)
            bulkLeft = left - taken.count
            return .bulk(taken)
        }
        take(from: &input, upTo: 4)
        guard pending.count >= 4 else { return nil }
        let length = pending[0..<4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= limit else { throw .messageTooLong(length, limit: limit) }
        take(from: &input, upTo: 4 + length)
        guard pending.count == 4 + length else { return nil }
        defer { pending.removeAll(keepingCapacity: true) }
        do {
            var reader = MessagePackReader(pending.span.extracting(4..<pending.count))
            let value = try reader.readValue()
            try reader.requireEnd()
            return .message(value)
        } catch {
            throw .malformed("\(error)")
        }
    }

    private mutating func take(from input: inout ArraySlice<UInt8>, upTo total: Int) {
        let count = min(input.count, total - pending.count)
        guard count > 0 else { return }
        pending += input.prefix(count)
        input = input.dropFirst(count)
    }
}
