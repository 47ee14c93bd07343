import CloudletCore
package import CloudletNetwork

/// A message of DNS as mDNS uses it (RFC 1035 §4, RFC 6762 §18): questions and the records this package knows.
package struct DNSMessage: Hashable, Sendable {
    /// Query identifier; 0 in multicast messages.
    package var id: UInt16 = 0
    /// Whether it answers.
    package var isResponse = false
    /// What is asked.
    package var questions: [DNSQuestion] = []
    /// The records of all three sections. Records of other types are left out.
    package var records: [DNSRecord] = []

    /// Most questions and most records that are kept of one message.
    package static let maximumQuestions = 64
    package static let maximumRecords = 512

    /// An empty message.
    package init() {}

    /// Reads a message from anybody. A question or record that is damaged is left out, and what is beside it counts; so
    /// does what came before the place from which on nothing can be told apart.
    /// - Throws: `DNSError` when it is no standard query or answer without error, or when all that it announces is
    ///   damaged: cut off, with a name that is too long or points forward.
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
    /// Asks for an answer to the asker alone (RFC 6762 §5.4).
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
    /// Seconds it may be kept; 0 takes it back.
    package var timeToLive: UInt32
    package var data: Payload

    /// What it says.
    package enum Payload: Hashable, Sendable {
        case pointer(DNSName)
        case service(host: DNSName, port: UInt16)
        case text([[UInt8]])
        case address(IPAddress)
    }
}

/// The numbers of record types.
package enum DNSType {
    package static let a: UInt16 = 1
    package static let ptr: UInt16 = 12
    package static let txt: UInt16 = 16
    package static let aaaa: UInt16 = 28
    package static let srv: UInt16 = 33
}

/// Why a message was not read.
package enum DNSError: Error, Hashable, Sendable {
    case cutOff
    case badName
    case tooMuch
    case unsupported
}

/// A domain name; compared without case of ASCII letters (RFC 1035 §2.3.3).
package struct DNSName: Hashable, Sendable, CustomStringConvertible {
    /// The labels as they came, the root left out. They are UTF-8 as a rule, but need not be.
    private let raw: [[UInt8]]
    private let key: [[UInt8]]

    /// From the bytes of labels.
    package init(bytes labels: [[UInt8]]) {
        raw = labels
        key = labels.map { label in label.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 } }
    }

    /// From labels.
    package init(_ labels: [String]) { self.init(bytes: labels.map { Array($0.utf8) }) }

    /// From a dotted name without dots inside labels.
    package init(dotted text: String) { self.init(text.split(separator: ".").map(String.init)) }

    /// The labels as text; what is no UTF-8 in them is replaced.
    package var labels: [String] { raw.map { String(decoding: $0, as: UTF8.self) } }

    /// The labels behind the first.
    package var parent: DNSName { DNSName(bytes: Array(raw.dropFirst())) }

    /// Labels with dots between them, for log lines.
    package var description: String { labels.joined(separator: ".") }

    /// The bytes on the wire. Labels are cut to 63 bytes.
    package var bytes: [UInt8] {
        raw.flatMap { label in
            let text = label.prefix(63)
            return [UInt8(text.count)] + text
        } + [0]
    }

    package static func == (left: Self, right: Self) -> Bool { left.key == right.key }
    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
