// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

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
