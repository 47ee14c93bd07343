/// Reads the pieces of a DNS message; every step is checked, and the work for a name is bounded whatever its pointers
/// say.
struct DNSReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func uint16() throws(DNSError) -> UInt16 {
        guard bytes.count - position >= 2 else { throw .cutOff }
        defer { position += 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    private mutating func uint32() throws(DNSError) -> UInt32 {
        let high = try uint16()
        return UInt32(high) << 16 | UInt32(try uint16())
    }

    /// A name, perhaps compressed (RFC 1035 §4.1.4): at most 255 bytes, each pointer further to the front than the one
    /// before.
    mutating func name() throws(DNSError) -> DNSName {
        var labels: [String] = []
        var length = 1
        var current = position
        var earliest = position
        var end: Int?
        while true {
            guard current < bytes.count else { throw .cutOff }
            let byte = Int(bytes[current])
            switch byte {
            case 0:
                position = end ?? current + 1
                return DNSName(labels)
            case 1...63:
                length += byte + 1
                guard length <= 255 else { throw .badName }
                guard bytes.count - current > byte else { throw .cutOff }
                labels.append(String(decoding: bytes[current + 1..<current + 1 + byte], as: UTF8.self))
                current += byte + 1
            case 0xC0...0xFF:
                guard current + 1 < bytes.count else { throw .cutOff }
                let target = (byte & 0x3F) << 8 | Int(bytes[current + 1])
                guard target < earliest else { throw .badName }
                if end == nil { end = current + 2 }
                earliest = target
                current = target
            default: throw .badName
            }
        }
    }

    /// A record; `nil` for one of another type or class.
    mutating func record() throws(DNSError) -> DNSRecord? {
        let name = try name()
        let type = try uint16()
        let class_ = try uint16()
        let timeToLive = try uint32()
        let length = Int(try uint16())
        guard bytes.count - position >= length else { throw .cutOff }
        let end = position + length
        defer { position = end }
        guard class_ & 0x7FFF == 1, let data = try payload(type, end) else { return nil }
        return DNSRecord(name: name, timeToLive: timeToLive, data: data)
    }

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
                guard end - offset > length else { throw .cutOff }
                if length > 0 { strings.append(Array(bytes[offset + 1..<offset + 1 + length])) }
                offset += length + 1
            }
            return .text(strings)
        default: return nil
        }
    }
}
