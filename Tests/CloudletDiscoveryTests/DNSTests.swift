import CloudletCore
import Glibc
import Testing

@testable import CloudletDiscovery

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

    @Test("an answer becomes one sighting for each address on the link")
    func sightings() throws {
        var collected = MDNSSightings()
        let (sightings, questions) = collected.take(try DNSMessage(fullAnswer().message()), from: source, on: lan)
        #expect(questions.isEmpty)
        #expect(Set(sightings.compactMap { $0.place?.address.description }) == ["10.77.0.2", "fe80::1"])
        for sighting in sightings {
            #expect(sighting.id == NodeID(id) && sighting.name == "Küche. ☕")
            #expect(sighting.place?.synthesisPort == 8021 && sighting.place?.httpPort == 8080)
        }
    }

    @Test("what an answer leaves open is asked; a goodbye is passed on with the id that was known")
    func openAndGoodbye() throws {
        var collected = MDNSSightings()
        var pointer = Answer()
        pointer.add(service, DNSType.ptr, instance.bytes)
        let (none, questions) = collected.take(try DNSMessage(pointer.message()), from: source, on: lan)
        #expect(none.isEmpty && Set(questions.map(\.type)) == [DNSType.srv, DNSType.txt])
        _ = collected.take(try DNSMessage(fullAnswer().message()), from: source, on: lan)
        let goodbye = try DNSMessage(fullAnswer(pointerTTL: 0).message())
        let (gone, _) = collected.take(goodbye, from: source, on: lan)
        #expect(gone.map(\.isGoodbye) == [true] && gone.first?.id == NodeID(id))
        #expect(collected.take(goodbye, from: source, on: lan).sightings.isEmpty)
    }

    @Test("records about other services, and queries, show nothing")
    func foreign() throws {
        var collected = MDNSSightings()
        var other = Answer()
        other.add(DNSName(dotted: "_http._tcp.local"), DNSType.ptr, DNSName(dotted: "x._http._tcp.local").bytes)
        other.add(service, DNSType.ptr, DNSName(dotted: "x._http._tcp.local").bytes)
        #expect(collected.take(try DNSMessage(other.message()), from: source, on: lan).questions.isEmpty)
        #expect(collected.take(try DNSMessage(fullAnswer().message(flags: 0)), from: source, on: lan).sightings.isEmpty)
    }

    @Test("ten thousand invented instances are not all remembered, and keep out no node that is there")
    func flood() throws {
        var collected = MDNSSightings()
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
        var sightings: [NodeSighting] = []
        for (type, data) in [
            (DNSType.ptr, instance.bytes), (DNSType.srv, [0, 0, 0, 0, 0x1F, 0x55] + host.bytes),
            (DNSType.txt, strings(["id=\(id)"])),
        ] {
            var answer = Answer()
            answer.add(type == DNSType.ptr ? service : instance, type, data)
            sightings += collected.take(try DNSMessage(answer.message()), from: source, on: lan).sightings
        }
        #expect(sightings.map(\.id) == [NodeID(id)] && collected.count <= 2048)
    }

    @Test("one host is remembered with so many instances and no more, its newest")
    func share() throws {
        var collected = MDNSSightings()
        for number in 0..<200 {
            var answer = Answer()
            let fake = DNSName(["fake \(number)", "_cloudlet", "_tcp", "local"])
            answer.add(fake, DNSType.srv, [0, 0, 0, 0, 0, 1] + host.bytes)
            answer.add(fake, DNSType.txt, [0])
            #expect(
                collected.take(try DNSMessage(answer.message()), from: source, on: lan).sightings.map(\.name)
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
        for place in 0...6 {
            var answer = fullAnswer()
            answer.insert(raw: record, at: place)
            var collected = MDNSSightings()
            let message = try DNSMessage(answer.message())
            let (sightings, questions) = collected.take(message, from: source, on: lan)
            #expect(message.records.count == 6 && questions.isEmpty, "place \(place)")
            #expect(Set(sightings.map(\.id)) == [NodeID(id)] && sightings.allSatisfy { $0.name == "Küche. ☕" })
        }
    }

    @Test("what came before the place from which on nothing can be told apart counts")
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
        var collected = MDNSSightings()
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
        var collected = MDNSSightings()
        for index in whole.indices {
            for value in [0, 0xC0, 0xFF, whole[index] ^ 1] {
                var changed = whole
                changed[index] = value
                if let message = try? DNSMessage(changed) { _ = collected.take(message, from: source, on: lan) }
            }
        }
    }
}

@Suite struct MDNSPublicationTests {
    private func record(_ name: String, features: [String] = [], bases: Int = 0) -> NodeRecord {
        let held = (0..<bases).map { HeldBase(hash: SHA256Digest(words: (UInt64($0) << 32, 0, 0, 0)), name: "b") }
        return NodeRecord(
            id: .random(), name: name, httpPort: 8080, bases: held, load: 0.234, freeMemory: .mebibytes(4000),
            features: features)
    }

    @Test(
        "names are valid instance names (M29), the same in every protocol",
        arguments: [
            ("Küche ☕ node.1", "Küche ☕ node.1"), ("", "Cloudlet"), ("a\u{1B}[2J\nb", "a [2J b"),
            (String(repeating: "ü", count: 60), String(repeating: "ü", count: 31)), (" \t ", "Cloudlet"),
            ("\u{200D}\u{200B}\u{3164}", "Cloudlet"), (" x\u{202E}y\u{61C}z ", "xyz"),
            ("نامه\u{200C}ای 👨‍👩‍👧", "نامه\u{200C}ای 👨‍👩‍👧"), ("Node {configId}", "Node {configId}"),
        ])
    func names(given: String, published: String) {
        let record = record(given)
        #expect(record.name == published && MDNSPublication(record).name == published)
        #expect(UPnPDevice(record).friendlyName == published && NodeStatus(record).name == published)
        #expect(UPnPDocuments(UPnPDevice(record)).description.contains("<friendlyName>\(published)</friendlyName>"))
    }

    @Test(
        "the name after a conflict has the next number, fits, and leaves the wish as it was",
        arguments: [
            ("X", "X #2"), ("X #2", "X #3"), ("X #99", "X #100"), ("X #1", "X #1 #2"), ("X #y", "X #y #2"),
            ("#2", "#2 #2"), ("a #2 #3", "a #2 #4"),
            (String(repeating: "ü", count: 31), String(repeating: "ü", count: 30) + " #2"),
        ])
    func alternatives(name: String, next: String) {
        var record = record(name)
        let alternative = NodeName.alternative(to: record.name)
        #expect(alternative == next && alternative.utf8.count <= 63)
        record.goBy(alternative)
        #expect(record.name == next && record.wishedName == name && MDNSPublication(record).name == name)
        record.name = name
        #expect(record.name == next, "the same wish again changes nothing")
        record.name = "Other"
        #expect(record.name == "Other" && record.alternativeName == nil)
    }

    @Test("TXT keeps RFC 6763's limits, txtvers first (M26)", arguments: [0, 1, 40, 500])
    func text(bases: Int) {
        let txt = MDNSPublication(record("n", features: ["gpu", "kvm"], bases: bases)).txt
        #expect(txt.first == "txtvers=1" && txt.allSatisfy { $0.utf8.count <= 255 })
        #expect(txt.reduce(0) { $0 + $1.utf8.count + 1 } <= 400)
        let keys = txt.map { $0.prefix { $0 != "=" } }
        #expect(Set(keys).count == keys.count && keys.allSatisfy { $0.utf8.count <= 9 })
        #expect(txt.contains("feat=gpu,kvm") || bases == 500)
        #expect(txt.contains("load=20") && txt.contains("mem=3840"))
    }

    @Test("subtypes are labels, at most 31 (M25, M28); features that are none are left out")
    func subtypes() {
        let publication = MDNSPublication(record("n", features: ["GPU", "a b", "", "ü", "x.y"], bases: 50))
        #expect(publication.subtypes.first == "_gpu._sub._cloudlet._tcp" && publication.subtypes.count == 31)
        #expect(publication.subtypes[1] == "_base-00000000._sub._cloudlet._tcp")
        // With the service of the old name as many entries as avahi takes in a group: 32.
        #expect(MDNSPublication(record("n", bases: 50), withOldName: true).subtypes.count == 30)
    }
}

@Suite struct MDNSPaceTests {
    private let start = ContinuousClock.now

    @Test("fifteen conflicts in ten seconds, then one each five seconds, until there are no more (RFC 6762 §8.1)")
    func conflicts() {
        var pace = ConflictPace()
        var now = start
        var tries: [Duration] = []
        while now < start + .seconds(60) {
            tries.append(now - start)
            now += .milliseconds(100)
            now += pace.conflict(at: now)
        }
        #expect(tries.prefix { $0 < .seconds(10) }.count <= 17 && tries.count <= 27 && pace.isSlow)
        #expect(zip(tries.dropFirst(15), tries.dropFirst(16)).allSatisfy { $1 - $0 >= .seconds(5) })
        #expect(pace.conflict(at: now + .seconds(61)) == .zero)
    }

    @Test("records change at most ten times in any minute, those without haste evenly (RFC 6762 §8.4)")
    func changes() {
        for hasTime in [true, false] {
            var pace = ChangePace()
            var times: [ContinuousClock.Instant] = []
            var now = start
            while now < start + .seconds(300) {
                if pace.next(hasTime: hasTime).map({ $0 <= now }) ?? true {
                    pace.note(at: now)
                    times.append(now)
                }
                now += .milliseconds(100)
            }
            for time in times {
                #expect(times.filter { time <= $0 && $0 <= time + .seconds(60) }.count <= 10)
            }
            #expect(times.count >= 45)
            if !hasTime { #expect(times[9] == start + .milliseconds(900)) }
        }
    }

    @Test("the wished name is tried again more and more seldom, and names are shown so")
    func returning() {
        var pace = ReturnPace(first: .seconds(300))
        #expect(pace.next == nil)
        var waits: [Duration] = []
        for _ in 0..<8 {
            pace.wait(from: start)
            waits.append((pace.next ?? start) - start)
        }
        #expect(waits.prefix(4) == [.seconds(300), .seconds(600), .seconds(1200), .seconds(2400)])
        #expect(waits.last == .seconds(3600))
        var shows = ShowPace()
        #expect(shows.due(since: start) == start)
        for _ in 0..<10 { shows.note(at: start) }
        #expect(shows.due(since: start) == start + .seconds(120))
    }
}
