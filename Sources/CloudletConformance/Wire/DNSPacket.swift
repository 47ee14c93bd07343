// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A DNS message as mDNS uses it, with every field that a check may want to examine or to set to a wrong value.
struct DNSPacket: Hashable, Sendable {
    var id: UInt16 = 0
    var flags: UInt16 = 0
    var questions: [Question] = []
    var answers: [Record] = []
    var authority: [Record] = []
    var additional: [Record] = []

    /// A question; the top bit of the class requests a unicast answer.
    struct Question: Hashable, Sendable {
        var name: DNSLabels
        var type: UInt16
        var wantsUnicast = false
    }

    /// A record; the top bit of the class marks it as unique (cache-flush).
    struct Record: Hashable, Sendable {
        var name: DNSLabels
        var type: UInt16
        var isUnique: Bool
        var timeToLive: UInt32
        /// The data; names in it are uncompressed.
        var data: [UInt8]
    }

    var isResponse: Bool { flags & 0x8000 != 0 }
    /// All records except the proposed ones.
    var records: [Record] { answers + additional }

    init() {}

    /// Reads a message; `nil` when the bytes are not a DNS message.
    init?(_ bytes: [UInt8]) {
        var reader = DNSBytes(bytes)
        guard let id = reader.word(), let flags = reader.word(), let counts = reader.words(4) else { return nil }
        (self.id, self.flags) = (id, flags)
        guard counts.reduce(0, { $0 + Int($1) }) <= 1000 else { return nil }
        for _ in 0..<counts[0] {
            guard let name = reader.name(), let type = reader.word(), let class_ = reader.word() else { return nil }
            questions.append(Question(name: name, type: type, wantsUnicast: class_ & 0x8000 != 0))
        }
        for (index, count) in counts.dropFirst().enumerated() {
            for _ in 0..<count {
                guard let record = reader.record() else { return nil }
                switch index {
                case 0: answers.append(record)
                case 1: authority.append(record)
                default: additional.append(record)
                }
            }
        }
    }

    /// The message in wire form, with uncompressed names.
    var bytes: [UInt8] {
        var result: [UInt8] = []
        func put(_ value: UInt16) { result += [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }
        for word in [id, flags] + [questions.count, answers.count, authority.count, additional.count].map(UInt16.init) {
            put(word)
        }
        for question in questions {
            result += question.name.bytes
            put(question.type)
            put(question.wantsUnicast ? 0x8001 : 1)
        }
        for record in answers + authority + additional {
            result += record.name.bytes
            put(record.type)
            put(record.isUnique ? 0x8001 : 1)
            put(UInt16(truncatingIfNeeded: record.timeToLive >> 16))
            put(UInt16(truncatingIfNeeded: record.timeToLive))
            put(UInt16(record.data.count))
            result += record.data
        }
        return result
    }

    /// Creates a query with one question.
    static func query(_ name: DNSLabels, _ type: UInt16, unicast: Bool = false) -> DNSPacket {
        var packet = DNSPacket()
        packet.questions = [Question(name: name, type: type, wantsUnicast: unicast)]
        return packet
    }
}

/// The numbers of record types.
enum DNSKind {
    static let a: UInt16 = 1
    static let cname: UInt16 = 5
    static let ptr: UInt16 = 12
    static let hinfo: UInt16 = 13
    static let txt: UInt16 = 16
    static let aaaa: UInt16 = 28
    static let srv: UInt16 = 33
    static let nsec: UInt16 = 47
    static let any: UInt16 = 255
}

/// A domain name as its labels; comparison ignores case.
struct DNSLabels: Hashable, Sendable, CustomStringConvertible {
    var labels: [[UInt8]]

    init(_ labels: [[UInt8]]) { self.labels = labels }
    init(_ dotted: String) { labels = dotted.split(separator: ".").map { Array($0.utf8) } }

    /// The name with a label in front of it.
    func with(_ label: String) -> DNSLabels { DNSLabels([Array(label.utf8)] + labels) }
    /// The name without its first label.
    var parent: DNSLabels { DNSLabels(Array(labels.dropFirst())) }
    /// The first label as text.
    var first: String { String(decoding: labels.first ?? [], as: UTF8.self) }
    var bytes: [UInt8] { labels.flatMap { [UInt8($0.count)] + $0 } + [0] }
    var description: String { labels.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".") }

    private var key: [[UInt8]] { labels.map { $0.map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 } } }
    static func == (left: Self, right: Self) -> Bool { left.key == right.key }
    func hash(into hasher: inout Hasher) { hasher.combine(key) }
}

/// Reads the bytes of a DNS message.
private struct DNSBytes {
    let bytes: [UInt8]
    var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func word() -> UInt16? {
        guard bytes.count - position >= 2 else { return nil }
        defer { position += 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    mutating func words(_ count: Int) -> [UInt16]? {
        var result: [UInt16] = []
        for _ in 0..<count {
            guard let word = word() else { return nil }
            result.append(word)
        }
        return result
    }

    mutating func name() -> DNSLabels? {
        var labels: [[UInt8]] = []
        var (current, end): (Int, Int?) = (position, nil)
        for _ in 0..<128 {
            guard current < bytes.count else { return nil }
            let length = Int(bytes[current])
            if length == 0 {
                position = end ?? current + 1
                return DNSLabels(labels)
            } else if length < 64 {
                guard current + 1 + length <= bytes.count else { return nil }
                labels.append(Array(bytes[current + 1..<current + 1 + length]))
                current += 1 + length
            } else {
                guard current + 1 < bytes.count else { return nil }
                end = end ?? current + 2
                current = (length & 0x3F) << 8 | Int(bytes[current + 1])
            }
        }
        return nil
    }

    mutating func record() -> DNSPacket.Record? {
        guard let name = name(), let type = word(), let class_ = word(), let life = words(2), let length = word(),
            bytes.count - position >= Int(length)
        else { return nil }
        let end = position + Int(length)
        defer { position = end }
        var data = Array(bytes[position..<end])
        switch type {
        case DNSKind.ptr, DNSKind.cname: data = self.name()?.bytes ?? data
        case DNSKind.srv where length > 6:
            position += 6
            data = Array(data.prefix(6)) + (self.name()?.bytes ?? [])
        default: break
        }
        return DNSPacket.Record(
            name: name, type: type, isUnique: class_ & 0x8000 != 0,
            timeToLive: UInt32(life[0]) << 16 | UInt32(life[1]), data: data)
    }
}
