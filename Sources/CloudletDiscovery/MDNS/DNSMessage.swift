import CloudletCore
package import CloudletNetwork

/// A DNS message as mDNS uses it (RFC 1035 §4, RFC 6762 §18): questions, and records of the types in `DNSType`.
package struct DNSMessage: Hashable, Sendable {
    /// Query identifier; 0 in multicast messages.
    package var id: UInt16 = 0
    /// Whether it is a response.
    package var isResponse = false
    /// The questions.
    package var questions: [DNSQuestion] = []
    /// The records of all three sections, without those of other types.
    package var records: [DNSRecord] = []

    /// The largest numbers of questions and records kept of one message.
    package static let maximumQuestions = 64
    package static let maximumRecords = 512

    /// Creates an empty message.
    package init() {}

    /// Reads a message from the network. It skips damaged questions and records and keeps the others; when it can't find
    /// the end of one, it keeps those before it.
    /// - Throws: `DNSError` when the message is not a standard query or a response without error, or when every question
    ///   and record in it is damaged: cut off, or with a name that is too long or points forward.
    package init(_ bytes: [UInt8]) throws(DNSError) {
        var reader = DNSReader(bytes)
        id = try reader.uint16()
        let flags = try reader.uint16()
        // Opcode and response code must be 0 (RFC 6762 §18.3, §18.11).
        guard flags & 0x780F == 0 else { throw .unsupported }
        isResponse = flags & 0x8000 != 0
        let questionCount = Int(try reader.uint16())
        var recordCount = 0
        for _ in 0..<3 { recordCount += Int(try reader.uint16()) }
        var damage: DNSError?
        var isUseful = questionCount + recordCount == 0
        do {
            for _ in 0..<questionCount {
                switch try reader.question() {
                case .success(let question):
                    isUseful = true
                    if questions.count < Self.maximumQuestions { questions.append(question) }
                case .failure(let error): damage = damage ?? error
                }
            }
            for _ in 0..<recordCount where records.count < Self.maximumRecords {
                switch try reader.record() {
                case .success(let record):
                    isUseful = true
                    if let record { records.append(record) }
                case .failure(let error): damage = damage ?? error
                }
            }
        } catch {
            damage = damage ?? error
        }
        if let damage, !isUseful { throw damage }
    }

    /// The bytes of a query; names are not compressed.
    package var queryBytes: [UInt8] {
        var result: [UInt8] = []
        for word in [id, 0, UInt16(questions.count), 0, 0, 0] { result.appendBigEndian(word) }
        for question in questions {
            result += question.name.bytes
            result.appendBigEndian(question.type)
            result.appendBigEndian(question.wantsUnicast ? UInt16(0x8001) : 1)
        }
        return result
    }
}

/// A question.
package struct DNSQuestion: Hashable, Sendable {
    package var name: DNSName
    package var type: UInt16
    /// Whether the answer should come by unicast (RFC 6762 §5.4).
    package var wantsUnicast = false

    package init(name: DNSName, type: UInt16, wantsUnicast: Bool = false) {
        self.name = name
        self.type = type
        self.wantsUnicast = wantsUnicast
    }
}

/// A resource record.
package struct DNSRecord: Hashable, Sendable {
    package var name: DNSName
    /// Seconds for which it is valid; 0 withdraws it.
    package var timeToLive: UInt32
    package var data: Payload

    /// The content of the types that are read.
    package enum Payload: Hashable, Sendable {
        case pointer(DNSName)
        case service(host: DNSName, port: UInt16)
        case text([[UInt8]])
        case address(IPAddress)
    }
}

/// The numbers of record types (RFC 1035 §3.2.2, RFC 3596, RFC 2782).
package enum DNSType {
    package static let a: UInt16 = 1
    package static let ptr: UInt16 = 12
    package static let txt: UInt16 = 16
    package static let aaaa: UInt16 = 28
    package static let srv: UInt16 = 33
}

/// Why a message can't be read.
package enum DNSError: Error, Hashable, Sendable {
    case cutOff
    case badName
    case tooMuch
    case unsupported
}

/// A domain name. Comparison ignores the case of ASCII letters (RFC 1035 §2.3.3).
package struct DNSName: Hashable, Sendable, CustomStringConvertible {
    /// The labels as received, without the root. They are usually UTF-8, but need not be.
    private let raw: [[UInt8]]
    private let key: [[UInt8]]

    /// Creates a name from the bytes of its labels.
    package init(bytes labels: [[UInt8]]) {
        raw = labels
        key = labels.map { label in label.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 } }
    }

    /// Creates a name from its labels.
    package init(_ labels: [String]) { self.init(bytes: labels.map { Array($0.utf8) }) }

    /// Creates a name from its dotted form; labels can't contain dots.
    package init(dotted text: String) { self.init(text.split(separator: ".").map(String.init)) }

    /// The labels as text; bytes that are not UTF-8 become U+FFFD.
    package var labels: [String] { raw.map { String(decoding: $0, as: UTF8.self) } }

    /// The name without its first label.
    package var parent: DNSName { DNSName(bytes: Array(raw.dropFirst())) }

    /// The dotted form, for log lines.
    package var description: String { labels.joined(separator: ".") }

    /// The uncompressed wire form (RFC 1035 §3.1), with labels cut to 63 bytes.
    package var bytes: [UInt8] {
        raw.flatMap { label in
            let text = label.prefix(63)
            return [UInt8(text.count)] + text
        } + [0]
    }

    package static func == (left: Self, right: Self) -> Bool { left.key == right.key }
    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
