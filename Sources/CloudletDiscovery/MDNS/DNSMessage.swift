import CloudletCore

/// A message of DNS as mDNS uses it (RFC 1035 §4, RFC 6762 §18): questions and the records this package knows.
struct DNSMessage: Hashable, Sendable {
    /// Query identifier; 0 in multicast messages.
    var id: UInt16 = 0
    /// Whether it answers.
    var isResponse = false
    /// What is asked.
    var questions: [DNSQuestion] = []
    /// The records of all three sections. Records of other types are left out.
    var records: [DNSRecord] = []

    /// Most records that are read of one message.
    static let maximumRecords = 512

    /// An empty message.
    init() {}

    /// Reads a message from anybody.
    /// - Throws: `DNSError` when it is cut off, has a name that is too long or points forward, or is no standard query
    ///   or answer without error.
    init(_ bytes: [UInt8]) throws(DNSError) {
        var reader = DNSReader(bytes)
        id = try reader.uint16()
        let flags = try reader.uint16()
        // Opcode and response code must be 0 (RFC 6762 §18.3, §18.11).
        guard flags & 0x780F == 0 else { throw .unsupported }
        isResponse = flags & 0x8000 != 0
        let questionCount = Int(try reader.uint16())
        var recordCount = 0
        for _ in 0..<3 { recordCount += Int(try reader.uint16()) }
        guard questionCount <= 64, recordCount <= Self.maximumRecords else { throw .tooMuch }
        for _ in 0..<questionCount {
            let name = try reader.name()
            let (type, class_) = (try reader.uint16(), try reader.uint16())
            questions.append(DNSQuestion(name: name, type: type, wantsUnicast: class_ & 0x8000 != 0))
        }
        for _ in 0..<recordCount {
            if let record = try reader.record() { records.append(record) }
        }
    }

    /// The bytes of a query; names are not compressed.
    var queryBytes: [UInt8] {
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
struct DNSQuestion: Hashable, Sendable {
    var name: DNSName
    var type: UInt16
    /// Asks for an answer to the asker alone (RFC 6762 §5.4).
    var wantsUnicast = false
}

/// A resource record.
struct DNSRecord: Hashable, Sendable {
    var name: DNSName
    /// Seconds it may be kept; 0 takes it back.
    var timeToLive: UInt32
    var data: Payload

    /// What it says.
    enum Payload: Hashable, Sendable {
        case pointer(DNSName)
        case service(host: DNSName, port: UInt16)
        case text([[UInt8]])
        case address(IPAddress)
    }
}

/// The numbers of record types.
enum DNSType {
    static let a: UInt16 = 1
    static let ptr: UInt16 = 12
    static let txt: UInt16 = 16
    static let aaaa: UInt16 = 28
    static let srv: UInt16 = 33
}

/// Why a message was not read.
enum DNSError: Error, Hashable, Sendable {
    case cutOff
    case badName
    case tooMuch
    case unsupported
}

/// A domain name; compared without case of ASCII letters (RFC 1035 §2.3.3).
struct DNSName: Hashable, Sendable, CustomStringConvertible {
    /// The labels as they came, the root left out.
    let labels: [String]
    private let key: [String]

    /// From labels.
    init(_ labels: [String]) {
        self.labels = labels
        key = labels.map { label in
            String(decoding: label.utf8.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }, as: UTF8.self)
        }
    }

    /// From a dotted name without dots inside labels.
    init(dotted text: String) { self.init(text.split(separator: ".").map(String.init)) }

    /// The labels behind the first.
    var parent: DNSName { DNSName(Array(labels.dropFirst())) }

    /// Labels with dots between them, for log lines.
    var description: String { labels.joined(separator: ".") }

    /// The bytes on the wire. Labels are cut to 63 bytes.
    var bytes: [UInt8] {
        labels.flatMap { label in
            let text = Array(label.utf8.prefix(63))
            return [UInt8(text.count)] + text
        } + [0]
    }

    static func == (left: Self, right: Self) -> Bool { left.key == right.key }
    func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
