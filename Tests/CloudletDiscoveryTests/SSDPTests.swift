// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@testable import CloudletDiscovery
@testable import CloudletNetwork

@Suite struct SSDPTests {
    private let search =
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n"

    private func message(_ text: String) -> SSDPMessage? { SSDPMessage(Array(text.utf8)) }

    @Test("messages survive writing and reading; names are compared without case")
    func roundTrip() throws {
        let parsed = try #require(message(search))
        #expect(parsed["mx"] == "1" && parsed["St"] == "ssdp:all" && parsed["none"] == nil)
        #expect(SSDPMessage(parsed.bytes) == parsed)
        #expect(message(search.replacing("\r\n", with: "\n")) != nil)
    }

    @Test(
        "what is no message is refused",
        arguments: [
            "", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "m-search * HTTP/1.1\r\nST: a\r\n\r\n",
            "M-SEARCH * HTTP/2.0\r\nST: a\r\n\r\n", "M-SEARCH /x HTTP/1.1\r\nST: a\r\n\r\n",
            "M-SEARCH * HTTP/1.1\r\nST: a\r\n", "M-SEARCH * HTTP/1.1\r\n: a\r\n\r\n",
            "M-SEARCH * HTTP/1.1\r\nno colon\r\n\r\n",
            "M-SEARCH * HTTP/1.1\r\nST: a\u{0}b\r\n\r\n", "M-SEARCH * HTTP/1.1\r\nST: a\u{1B}[2J\r\n\r\n",
            "M-SEARCH * HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 150) + "\r\n",
            "M-SEARCH * HTTP/1.1\r\nST: " + String(repeating: "x", count: 9000) + "\r\n\r\n",
        ])
    func refused(text: String) { #expect(message(text) == nil) }

    @Test(
        "a header that can't be read is left out, and the others count",
        arguments: [
            "SERVER: K\u{FC}che", "no colon", ": a", " folded: b", "X Y: b", "X: a\u{0}b", "X: \u{1B}[2J", "X: a\rb",
            "\u{FF}: a", "X: " + String(repeating: "x", count: 5000), "ST: \u{FC}", "ST \t: other",
        ])
    func badHeader(latin1: String) throws {
        let line = latin1.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
        let whole = Array(search.utf8)
        let end = Array("\r\n".utf8)
        let lines = search.split(separator: "\r\n").map { Array($0.utf8) }
        for place in 1...lines.count {
            let bytes = (lines[..<place] + [line] + lines[place...]).flatMap { $0 + end } + end
            let parsed = try #require(SSDPMessage(bytes), "behind line \(place)")
            #expect(parsed.bytes == whole)
            #expect(SSDPSearch(multicast: parsed, to: SSDPGroup.v4)?.target == "ssdp:all")
        }
    }

    @Test("of headers of one name the first that can be read counts")
    func twice() {
        #expect(message(search.replacing("MX: 1", with: "ST: other\r\nst: third"))?["ST"] == "other")
        #expect(message(search.replacing("MX: 1", with: "ST: \u{1}"))?["ST"] == "ssdp:all")
    }

    @Test("random bytes and every cut and every flipped byte of a message are survived")
    func fuzz() {
        var generator = SystemRandomNumberGenerator()
        let bytes = Array(search.utf8)
        for count in 0..<bytes.count { #expect(SSDPMessage(Array(bytes.prefix(count))) == nil) }
        for index in bytes.indices {
            var changed = bytes
            changed[index] = UInt8.random(in: 0...255, using: &generator)
            _ = SSDPMessage(changed).flatMap { SSDPSearch(multicast: $0, to: SSDPGroup.v4) }
        }
        for _ in 0..<500 { _ = SSDPMessage((0..<200).map { _ in UInt8.random(in: 0...255, using: &generator) }) }
    }

    @Test(
        "multicast searches: MAN, HOST and MX are checked (B08-B10, B12, B16)",
        arguments: [
            ("", ""), ("MAN: \"ssdp:discover\"", "MAN: ssdp:discover"), ("MAN: \"ssdp:discover\"\r\n", ""),
            ("MX: 1\r\n", ""), ("MX: 1", "MX: abc"), ("MX: 1", "MX: -1"), ("MX: 1", "MX: 1.5"), ("MX: 1", "MX:"),
            ("239.255.255.250:1900", "239.255.255.250"), ("239.255.255.250:1900", "10.0.0.1:1900"),
            ("HOST: 239.255.255.250:1900\r\n", ""), ("ST: ssdp:all", "ST:"), ("ST: ssdp:all\r\n", ""),
        ])
    func multicastRules(part: String, replacement: String) throws {
        let parsed = try #require(message(part.isEmpty ? search : search.replacing(part, with: replacement)))
        #expect((SSDPSearch(multicast: parsed, to: SSDPGroup.v4) != nil) == part.isEmpty)
    }

    @Test(
        "the waiting time is 1 to 5 s, whatever is asked (B12, B14)",
        arguments: [("0", 1), ("3", 3), ("120", 5), ("2000000", 5)])
    func maximumWait(field: String, wait: Int) throws {
        let parsed = try #require(message(search.replacing("MX: 1", with: "MX: \(field)")))
        #expect(SSDPSearch(multicast: parsed, to: SSDPGroup.v4)?.maximumWait == wait)
    }

    @Test("unicast searches need no MX, but a HOST (B15); IPv6 groups are recognised in any spelling")
    func unicast() throws {
        let own = try #require(
            message(search.replacing("239.255.255.250", with: "10.0.0.1").replacing("MX: 1\r\n", with: "")))
        #expect(SSDPSearch(unicast: own)?.maximumWait == .some(nil))
        let bare = try #require(message(search.replacing("HOST: 239.255.255.250:1900\r\n", with: "")))
        #expect(SSDPSearch(unicast: bare) == nil)
        let six = try #require(message(search.replacing("239.255.255.250", with: "[FF02:0::C]")))
        #expect(SSDPSearch(multicast: six, to: SSDPGroup.linkLocal) != nil)
        #expect(SSDPSearch(multicast: six, to: SSDPGroup.siteLocal) == nil)
    }

    private func announcement() throws -> SSDPAnnouncement {
        let id = try #require(NodeID("2c975b02-6da1-45ae-81f8-b35170336455"))
        let device = UPnPDevice(NodeRecord(id: id, name: "A&B", httpPort: 8080))
        return SSDPAnnouncement(
            device: device, location: "http://10.0.0.1:8080/upnp/device.xml", bootID: 7, configID: 9)
    }

    @Test("an announcement has one message a target, with every header it needs (A01-A03, A06, A10, A14)")
    func notifications() throws {
        let announcement = try announcement()
        let alive = announcement.notifications(.alive, to: SSDPGroup.v4)
        #expect(alive.compactMap { $0["NT"] } == announcement.device.announcements.map(\.type) && alive.count == 5)
        #expect(Set(alive.compactMap { $0["USN"] }).count == 5)
        for message in alive {
            #expect(message["HOST"] == "239.255.255.250:1900" && message["NTS"] == "ssdp:alive")
            #expect(message["CACHE-CONTROL"] == "max-age=1800" && message["LOCATION"] == announcement.location)
            #expect(message["BOOTID.UPNP.ORG"] == "7" && message["CONFIGID.UPNP.ORG"] == "9")
            #expect(message["SERVER"]?.split(separator: " ").count == 3 && message["SEARCHPORT.UPNP.ORG"] == nil)
            #expect(SSDPMessage(message.bytes) == message)
        }
        let byebye = announcement.notifications(.byebye, to: SSDPGroup.linkLocal)
        #expect(byebye.allSatisfy { $0["LOCATION"] == nil && $0["HOST"] == "[ff02::c]:1900" && $0["USN"] != nil })
        let update = announcement.notifications(.update, to: SSDPGroup.v4, nextBootID: 8)
        #expect(
            update.allSatisfy {
                $0["NEXTBOOTID.UPNP.ORG"] == "8" && $0["LOCATION"] != nil && $0["BOOTID.UPNP.ORG"] == "7"
            })
    }

    @Test("an answer has every header it needs, EXT empty (B18)")
    func answer() throws {
        var announcement = try announcement()
        announcement.searchPort = 50000
        let search = try #require(message(search).flatMap { SSDPSearch(multicast: $0, to: SSDPGroup.v4) })
        let answers = announcement.answers(to: search)
        #expect(answers.count == 5)
        for answer in answers {
            #expect(answer["EXT"]?.isEmpty == true && answer["DATE"]?.hasSuffix("GMT") == true)
            #expect(answer["ST"] != nil && answer["USN"] != nil && answer["SEARCHPORT.UPNP.ORG"] == "50000")
        }
    }

    @Test("a source that asks too much is not answered for a while; others are (B22)")
    func budget() throws {
        var budget = ReplyBudget()
        let (one, two) = (IPAddress.v4(1), IPAddress.v4(2))
        let start = ContinuousClock.now
        let allowed = (0..<1000).filter { _ in budget.allow(1, to: one, at: start) }.count
        #expect(allowed == 60)
        let (other, later) = (budget.allow(5, to: two, at: start), budget.allow(1, to: one, at: start + .seconds(1)))
        #expect(other && later)
        // Ten thousand invented sources get what one budget holds, and are forgotten.
        let spoofed = (100..<10_100).filter { budget.allow(1, to: .v4(UInt32($0)), at: start + .seconds(2)) }.count
        #expect(spoofed <= 1000)
    }

    @Test("a host that asks all the time from sixty addresses leaves answers to one that asks now and then")
    func quiet() {
        var budget = ReplyBudget()
        let start = ContinuousClock.now
        var refused = 0
        for step in 0..<3000 {
            let now = start + .milliseconds(step)
            _ = budget.allow(5, to: .v4(UInt32(step % 60)), at: now)
            if step % 500 == 499, !budget.allow(5, to: .v4(1000), at: now) { refused += 1 }
        }
        #expect(refused == 0)
    }
}
