// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@testable import CloudletAdvertising
@testable import CloudletDiscovery

@Suite struct MDNSPublicationTests {
    private func record(_ name: String, features: [String] = [], bases: Int = 0, bootable: Int = 0) -> NodeRecord {
        func held(_ numbers: Range<Int>) -> [HeldBase] {
            numbers.map { HeldBase(hash: SHA256Digest(words: (UInt64($0) << 32, 0, 0, 0)), name: "b") }
        }
        return NodeRecord(
            id: .random(), name: name, httpPort: 8080, bases: held(0..<bases),
            bootableBases: held(bases..<bases + bootable), load: 0.234, freeMemory: .mebibytes(4000), features: features
        )
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
        record.use(name: alternative)
        #expect(record.name == next && record.requestedName == name && MDNSPublication(record).name == name)
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

    @Test(
        "base VMs that can only boot have a list of their own, which is left out where it has no room, and no subtypes",
        arguments: [(0, 1), (1, 2), (40, 1), (0, 500), (500, 500)])
    func bootable(bases: Int, bootable: Int) {
        let publication = MDNSPublication(record("n", features: ["kvm"], bases: bases, bootable: bootable))
        let txt = publication.txt
        #expect(txt.reduce(0) { $0 + $1.utf8.count + 1 } <= 400 && txt.allSatisfy { $0.utf8.count <= 255 })
        let list = txt.first { $0.hasPrefix("boot=") }?.dropFirst(5).split(separator: ",").map(String.init)
        let first = String(SHA256Digest(words: (UInt64(bases) << 32, 0, 0, 0)).hex.prefix(8))
        #expect(list.map { $0.first == first && $0.allSatisfy { $0.utf8.count == 8 } } ?? (bases >= 40))
        #expect(!publication.subtypes.contains("_base-\(first)._sub._cloudlet._tcp"))
        let features = (0..<20).map { "feature\($0)" }
        let full = MDNSPublication(record("n", features: features, bases: max(40, bases), bootable: bootable)).txt
        #expect(full.contains { $0.hasPrefix("feat=") } && full.allSatisfy { !$0.hasPrefix("boot=") }, "\(full)")
        #expect(MDNSPublication(record("n")).txt.allSatisfy { !$0.hasPrefix("boot=") })
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
