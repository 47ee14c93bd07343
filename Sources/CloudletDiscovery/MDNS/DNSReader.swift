// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork

/// Reads the parts of a DNS message. Every step checks the bounds, and the work for a name is bounded whatever its
/// pointers are.
package struct DNSReader {
    private let bytes: [UInt8]
    private var position = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package mutating func uint16() throws(DNSError) -> UInt16 {
        guard bytes.count - position >= 2 else { throw .cutOff }
        defer { position += 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    private mutating func uint32() throws(DNSError) -> UInt32 {
        let high = try uint16()
        return UInt32(high) << 16 | UInt32(try uint16())
    }

    /// Reads a question.
    /// - Returns: the question, or what is wrong with it when reading can go on behind it.
    /// - Throws: `DNSError` when the end of the question is unknown.
    package mutating func question() throws(DNSError) -> Result<DNSQuestion, DNSError> {
        let start = position
        try skipName()
        let (type, class_) = (try uint16(), try uint16())
        let name = name(at: start)
        return name.map { DNSQuestion(name: $0, type: type, wantsUnicast: class_ & 0x8000 != 0) }
    }

    /// Reads a record.
    /// - Returns: the record, `nil` for one of another type or class, or what is wrong with it when reading can go on
    ///   behind it.
    /// - Throws: `DNSError` when the end of the record is unknown.
    package mutating func record() throws(DNSError) -> Result<DNSRecord?, DNSError> {
        let start = position
        try skipName()
        let type = try uint16()
        let class_ = try uint16()
        let timeToLive = try uint32()
        let length = Int(try uint16())
        guard bytes.count - position >= length else { throw .cutOff }
        let end = position + length
        defer { position = end }
        guard class_ & 0x7FFF == 1 else { return .success(nil) }
        do throws(DNSError) {
            let name = try name(at: start).get()
            return .success(try payload(type, end).map { DNSRecord(name: name, timeToLive: timeToLive, data: $0) })
        } catch {
            return .failure(error)
        }
    }

    // MARK: - Names

    /// Reads a name, which may be compressed (RFC 1035 §4.1.4).
    private mutating func name() throws(DNSError) -> DNSName {
        let start = position
        try skipName()
        return try name(at: start).get()
    }

    /// Skips a name: it ends with a zero byte or with a pointer, wherever that points.
    private mutating func skipName() throws(DNSError) {
        while true {
            guard position < bytes.count else { throw .cutOff }
            let byte = Int(bytes[position])
            switch byte {
            case 0:
                position += 1
                return
            case 1...63: position += byte + 1
            case 0xC0...0xFF:
                guard bytes.count - position >= 2 else { throw .cutOff }
                position += 2
                return
            default: throw .badName
            }
        }
    }

    /// The name that begins at `start`: at most 255 bytes, with at most as many pointers as a name can have labels, each
    /// pointing further to the front than the one before.
    private func name(at start: Int) -> Result<DNSName, DNSError> {
        var labels: [[UInt8]] = []
        var length = 1
        var current = start
        var earliest = start
        var pointers = 0
        while true {
            guard current < bytes.count else { return .failure(.cutOff) }
            let byte = Int(bytes[current])
            switch byte {
            case 0: return .success(DNSName(bytes: labels))
            case 1...63:
                length += byte + 1
                guard length <= 255 else { return .failure(.badName) }
                guard bytes.count - current > byte else { return .failure(.cutOff) }
                labels.append(Array(bytes[current + 1..<current + 1 + byte]))
                current += byte + 1
            case 0xC0...0xFF:
                guard current + 1 < bytes.count else { return .failure(.cutOff) }
                let target = (byte & 0x3F) << 8 | Int(bytes[current + 1])
                pointers += 1
                guard target < earliest, pointers <= 127 else { return .failure(.badName) }
                earliest = target
                current = target
            default: return .failure(.badName)
            }
        }
    }

    // MARK: - Record content

    private mutating func payload(_ type: UInt16, _ end: Int) throws(DNSError) -> DNSRecord.Payload? {
        let start = position
        switch type {
        case DNSType.a, DNSType.aaaa:
            guard end - start == (type == DNSType.a ? 4 : 16) else { throw .cutOff }
            return IPAddress(bytes: Array(bytes[start..<end])).map { .address($0) }
        case DNSType.ptr:
            let target = try name()
            guard position <= end else { throw .cutOff }
            return .pointer(target)
        case DNSType.srv:
            _ = try uint32()
            let port = try uint16()
            let host = try name()
            guard position <= end else { throw .cutOff }
            return .service(host: host, port: port)
        case DNSType.txt:
            var strings: [[UInt8]] = []
            var offset = start
            while offset < end {
                let length = Int(bytes[offset])
                guard end - offset > length else {
                    // The strings before the truncated one are complete.
                    if strings.isEmpty { throw .cutOff }
                    break
                }
                if length > 0 { strings.append(Array(bytes[offset + 1..<offset + 1 + length])) }
                offset += length + 1
            }
            return .text(strings)
        default: return nil
        }
    }
}
