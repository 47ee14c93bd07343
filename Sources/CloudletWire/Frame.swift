// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import CloudletMessagePack

/// Messages preceded by their length. Length and body are always written in one piece, because the original's Python
/// client reads the length with one call, and its Android client reads the body with one call.
package enum Frame {
    /// Encodes a message as it is sent.
    package static func encode(_ message: MessagePackValue) -> [UInt8] {
        var writer = MessagePackWriter()
        writer.write(message)
        var bytes: [UInt8] = []
        bytes.appendBigEndian(UInt32(writer.bytes.count))
        return bytes + writer.bytes
    }
}

/// Splits a byte stream into messages and the bulk data that follows some of them. Buffers at most one message.
package struct FrameReader: Sendable {
    /// A part of the stream.
    package enum Event: Sendable, Hashable {
        /// A complete message.
        case message(MessagePackValue)
        /// Bulk data.
        case bulk([UInt8])
        /// The bulk data is complete.
        case bulkEnd
    }

    /// The longest accepted message in bytes.
    package let limit: Int
    private var pending: [UInt8] = []
    private var bulkLeft: Int?

    /// Creates a reader that accepts messages of up to `limit` bytes.
    package init(limit: Int = 64 << 10) { self.limit = limit }

    /// Declares the next `count` bytes of the stream to be bulk data.
    package mutating func expectBulk(_ count: Int) { bulkLeft = count }

    /// Whether the stream may end here, which is not inside a message or bulk data.
    package var isAtBoundary: Bool { pending.isEmpty && bulkLeft == nil }

    /// Reads the next event and removes its bytes from `input`; `nil` when more input is needed (the reader keeps the
    /// bytes).
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
