// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import Glibc
import Testing

@testable import CloudletDiscovery
@testable import CloudletFinding
@testable import CloudletNetwork

@Suite struct DNSTests {
    /// Builds answers byte by byte, names without compression.
    private struct Answer {
        var bytes: [UInt8] = []
        private var records: [[UInt8]] = []

        mutating func add(_ name: DNSName, _ type: UInt16, ttl: UInt32 = 120, class_: UInt16 = 1, _ data: [UInt8]) {
            var record = name.bytes
            record.appendBigEndian(type)
            record.appendBigEndian(class_)
            record.appendBigEndian(ttl)
            record.appendBigEndian(UInt16(data.count))
            records.append(record + data)
        }

        /// Adds what may be no record, in front of the others.
        mutating func insert(raw record: [UInt8], at index: Int) { records.insert(record, at: index) }

        func message(flags: UInt16 = 0x8400, more: UInt16 = 0) -> [UInt8] {
            var result: [UInt8] = []
            for word in [0, flags, 0, UInt16(records.count) + more, 0, 0] { result.appendBigEndian(word) }
            return result + records.joined()
        }
    }

    private let service = DNSName(dotted: "_cloudlet._tcp.local")
    private let instance = DNSName(["Küche. ☕", "_cloudlet", "_tcp", "local"])
    private let host = DNSName(dotted: "h1.local")
    private let source = IPAddress.v4(0x0A4D_0002)
    private let lan = NetworkInterface(
        index: 2, name: "eth0", addresses: [InterfaceAddress(.v4(0x0A4D_0009), prefixLength: 16)])
    private let id = "2c975b02-6da1-45ae-81f8-b35170336455"

    private func strings(_ texts: [String]) -> [UInt8] { texts.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } }

    private func fullAnswer(pointerTTL: UInt32 = 4500) -> Answer {
        var answer = Answer()
        answer.add(service, DNSType.ptr, ttl: pointerTTL, instance.bytes)
        guard pointerTTL > 0 else { return answer }
        answer.add(instance, DNSType.srv, class_: 0x8001, [0, 0, 0, 0, 0x1F, 0x55] + host.bytes)
        answer.add(instance, DNSType.txt, strings(["txtvers=1", "ID=\(id)", "http=8080", "id=other"]))
        answer.add(host, DNSType.a, [10, 77, 0, 2])
        answer.add(host, DNSType.aaaa, [0xFE, 0x80] + [UInt8](repeating: 0, count: 13) + [1])
        answer.add(host, DNSType.a, [203, 0, 113, 5])
        return answer
    }

    @Test("a query is written as RFC 1035 has it, asking for unicast")
    func query() throws {
        var question = DNSMessage()
        question.questions = [DNSQuestion(name: service, type: DNSType.ptr, wantsUnicast: true)]
        let name: [UInt8] = [9] + Array("_cloudlet".utf8) + [4] + Array("_tcp".utf8) + [5] + Array("local".utf8) + [0]
        #expect(question.queryBytes == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name + [0, 12, 0x80, 1])
        #expect(try DNSMessage(question.queryBytes).questions == question.questions)
    }

    @Test("an answer becomes one candidate for each address on the link")
    func candidates() throws {
        var collected = MDNSCandidates()
        let (candidates, questions) = collected.take(try DNSMessage(fullAnswer().message()), from: source, on: lan)
        #expect(questions.isEmpty)
        #expect(Set(candidates.compactMap { $0.endpoint?.address.description }) == ["10.77.0.2", "fe80::1"])
        for candidate in candidates {
            #expect(candidate.id == NodeID(id) && candidate.name == "Küche. ☕")
            #expect(candidate.endpoint?.synthesisPort == 8021 && candidate.endpoint?.httpPort == 8080)
        }
    }

    @Test("what an answer leaves open is asked; a goodbye is passed on with the id that was known")
    func openAndGoodbye() throws {
        var collected = MDNSCandidates()
        var pointer = Answer()
        pointer.add(service, DNSType.ptr, instance.bytes)
        let (none, questions) = collected.take(try DNSMessage(pointer.message()), from: source, on: lan)
        #expect(none.isEmpty && Set(questions.map(\.type)) == [DNSType.srv, DNSType.txt])
        _ = collected.take(try DNSMessage(fullAnswer().message()), from: source, on: lan)
        let goodbye = try DNSMessage(fullAnswer(pointerTTL: 0).message())
        let (gone, _) = collected.take(goodbye, from: source, on: lan)
        #expect(gone.map(\.isGoodbye) == [true] && gone.first?.id == NodeID(id))
        #expect(collected.take(goodbye, from: source, on: lan).candidates.isEmpty)
    }

    @Test("records about other services, and queries, show nothing")
    func foreign() throws {
        var collected = MDNSCandidates()
        var other = Answer()
        other.add(DNSName(dotted: "_http._tcp.local"), DNSType.ptr, DNSName(dotted: "x._http._tcp.local").bytes)
        other.add(service, DNSType.ptr, DNSName(dotted: "x._http._tcp.local").bytes)
        #expect(collected.take(try DNSMessage(other.message()), from: source, on: lan).questions.isEmpty)
        #expect(
            collected.take(try DNSMessage(fullAnswer().message(flags: 0)), from: source, on: lan).candidates.isEmpty)
    }

    @Test("ten thousand invented instances are not all remembered, and keep out no node that is there")
    func flood() throws {
        var collected = MDNSCandidates()
        let others = (1...40).map { IPAddress.v4(0x0A4D_0100 + UInt32($0)) }
        for block in 0..<100 {
            var answer = Answer()
            for number in 0..<100 {
                let fake = DNSName(["fake \(block) \(number)", "_cloudlet", "_tcp", "local"])
                answer.add(fake, DNSType.srv, [0, 0, 0, 0, 0, 1] + host.bytes)
                answer.add(fake, DNSType.txt, [0])
            }
            _ = collected.take(try DNSMessage(answer.message()), from: others[block % others.count], on: lan)
            #expect(collected.count <= 2048)
        }
        #expect(collected.count == 2048)
        // One record a message, so that something has to be remembered between them.
        var candidates: [Candidate] = []
        for (type, data) in [
            (DNSType.ptr, instance.bytes), (DNSType.srv, [0, 0, 0, 0, 0x1F, 0x55] + host.bytes),
            (DNSType.txt, strings(["id=\(id)"])),
        ] {
            var answer = Answer()
            answer.add(type == DNSType.ptr ? service : instance, type, data)
            candidates += collected.take(try DNSMessage(answer.message()), from: source, on: lan).candidates
        }
        #expect(candidates.map(\.id) == [NodeID(id)] && collected.count <= 2048)
    }

    @Test("one host is remembered with so many instances and no more, its newest")
    func share() throws {
        var collected = MDNSCandidates()
        for number in 0..<200 {
            var answer = Answer()
            let fake = DNSName(["fake \(number)", "_cloudlet", "_tcp", "local"])
            answer.add(fake, DNSType.srv, [0, 0, 0, 0, 0, 1] + host.bytes)
            answer.add(fake, DNSType.txt, [0])
            #expect(
                collected.take(try DNSMessage(answer.message()), from: source, on: lan).candidates.map(\.name)
                    == ["fake \(number)"])
        }
        #expect(collected.count == 64)
    }

    @Test(
        "a damaged record is left out, and those beside it count",
        arguments: [
            [0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 3, 1, 2, 3],  // an A of three bytes
            [0, 0, 28, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4],  // an AAAA of four
            [0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 0],  // an A of none
            [0, 0, 16, 0, 1, 0, 0, 0, 9, 0, 2, 5, 0x41],  // a string longer than its record
            [0, 0, 33, 0, 1, 0, 0, 0, 9, 0, 3, 0, 0, 0],  // half an SRV
            [0, 0, 12, 0, 1, 0, 0, 0, 9, 0, 1, 5],  // a PTR whose name goes on in the next record
            [0, 0, 12, 0, 1, 0, 0, 0, 9, 0, 2, 0xFF, 0xFF],  // a PTR to nowhere
            [0, 0, 33, 0, 1, 0, 0, 0, 9, 0, 8, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF],
            [0xFF, 0xFF, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4],  // a name that points forward
            [1, 0x61, 0xFF, 0xFF, 0, 16, 0, 1, 0, 0, 0, 9, 0, 1, 0],  // the same behind a label
            [0, 0, 1, 0, 3, 0, 0, 0, 9, 0, 3, 1, 2, 3], [0, 0, 41, 5, 0xA0, 0, 0, 0, 0, 0, 0],  // another class
        ] as [[UInt8]])
    func damagedRecord(record: [UInt8]) throws {
        for endpoint in 0...6 {
            var answer = fullAnswer()
            answer.insert(raw: record, at: endpoint)
            var collected = MDNSCandidates()
            let message = try DNSMessage(answer.message())
            let (candidates, questions) = collected.take(message, from: source, on: lan)
            #expect(message.records.count == 6 && questions.isEmpty, "endpoint \(endpoint)")
            #expect(Set(candidates.map(\.id)) == [NodeID(id)] && candidates.allSatisfy { $0.name == "Küche. ☕" })
        }
    }

    @Test("what came before the endpoint from which on nothing can be told apart counts")
    func cutOff() throws {
        for tail: [UInt8] in [[], [0], [0x40, 0, 0, 1, 0, 1], [0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 200, 1]] {
            #expect(try DNSMessage(fullAnswer().message(more: 1) + tail).records.count == 6)
        }
        // What is announced beyond all bounds is read as far as it is there.
        #expect(try DNSMessage(fullAnswer().message(more: 60_000)).records.count == 6)
    }

    @Test("of a text record the strings before a damaged one count")
    func damagedString() throws {
        var answer = Answer()
        answer.add(instance, DNSType.txt, strings(["id=\(id)"]) + [200, 0x41])
        #expect(try DNSMessage(answer.message()).records.map(\.data) == [.text([Array("id=\(id)".utf8)])])
    }

    @Test("names in another encoding than UTF-8 stay apart, and are asked for as they came")
    func otherEncodings() throws {
        func name(_ byte: UInt8) -> [UInt8] { [2, 0x4B, byte] + service.bytes }
        var pointers = Answer()
        for byte: UInt8 in [0xFC, 0xF6] { pointers.add(service, DNSType.ptr, name(byte)) }
        var collected = MDNSCandidates()
        let (_, questions) = collected.take(try DNSMessage(pointers.message()), from: source, on: lan)
        #expect(Set(questions.map(\.name.bytes)) == [name(0xFC), name(0xF6)])
    }

    @Test("names may point backwards, compared without case")
    func compression() throws {
        var message: [UInt8] = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0]
        message += service.bytes + [0, 12, 0, 1, 0, 0, 0, 9, 0, 4, 1, 0x58, 0xC0, 12]
        let record = try #require(try DNSMessage(message).records.first)
        #expect(record.data == .pointer(DNSName(["x", "_CLOUDLET", "_tcp", "local"])))
    }

    /// In a process of its own, which an alarm ends: a reader that follows the pointers for ever can't be stopped.
    @Test("names that point in circles end the reading, and nothing else")
    func circles() async {
        await #expect(processExitsWith: .success) {
            alarm(5)
            for name: [UInt8] in [[0xC0, 12], [0xC0, 14, 0xC0, 12], [1, 0x61, 0xC0, 12], [0xC0, 13]] {
                let message = [0, 0, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name + [0, 1, 0, 1]
                #expect(throws: DNSError.badName) { try DNSMessage(message) }
            }
        }
    }

    @Test(
        "hostile messages are refused",
        arguments: [
            [0], [0, 0, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0],  // cut off
            [0, 0, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 1, 0, 1],  // a name that points to itself
            [0, 0, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 14, 0xC0, 12, 0, 1, 0, 1],  // forward
            [0, 0, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 1, 0, 1],  // a label type that doesn't exist
            [0, 0, 0x84, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0], [0, 0, 0x84, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0],  // counts
            [0, 0, 0xA8, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0x84, 3, 0, 0, 0, 0, 0, 0, 0, 0],  // opcode, response code
            [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 3, 1, 2, 3],  // an A of three bytes
            [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 9, 0, 2, 5, 0x41],
        ] as [[UInt8]])
    func hostile(bytes: [UInt8]) { #expect(throws: DNSError.self) { try DNSMessage(bytes) } }

    @Test("a name longer than 255 bytes is refused")
    func longName() {
        let label: [UInt8] = [63] + [UInt8](repeating: 0x61, count: 63)
        let message: [UInt8] =
            [0, 0, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0] + label + label + label + label + [0, 0, 1, 0, 1]
        #expect(throws: DNSError.badName) { try DNSMessage(message) }
    }

    @Test("every cut and every flipped byte of an answer is survived")
    func fuzz() {
        let whole = fullAnswer().message()
        for count in 0..<whole.count { _ = try? DNSMessage(Array(whole.prefix(count))) }
        var collected = MDNSCandidates()
        for index in whole.indices {
            for value in [0, 0xC0, 0xFF, whole[index] ^ 1] {
                var changed = whole
                changed[index] = value
                if let message = try? DNSMessage(changed) { _ = collected.take(message, from: source, on: lan) }
            }
        }
    }
}
