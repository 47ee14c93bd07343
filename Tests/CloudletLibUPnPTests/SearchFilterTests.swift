// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import CloudletDiscovery
@testable import CloudletLibUPnP
@testable import CloudletNetwork

/// What libupnp is given to hear.
@Suite struct SearchFilterTests {
    private let own = IPAddress.v4(0x0A4D_0002)
    private let asker = IPAddress.v4(0x0A4D_0003)

    private func filter() throws -> SearchFilter {
        let id = try #require(NodeID("2c975b02-6da1-45ae-81f8-b35170336455"))
        return SearchFilter(device: UPnPDevice(NodeRecord(id: id, name: "", httpPort: 0)), address: own)
    }

    private func search(
        _ target: String, host: String = "239.255.255.250:1900", mx: String? = "1", version: String = "1.1"
    ) -> [UInt8] {
        Array(
            ("M-SEARCH * HTTP/\(version)\r\nHOST: \(host)\r\nMAN: \"ssdp:discover\"\r\n"
                + (mx.map { "MX: \($0)\r\n" } ?? "") + "ST: \(target)\r\nX: y\r\n\r\n").utf8)
    }

    @Test("a search that deserves an answer is heard in the form libupnp knows, with a waiting time of at most 5 s")
    func passes() throws {
        var filter = try filter()
        for (text, wait) in [
            (search("upnp:rootdevice", mx: "2000000"), "5"), (search(UPnPDevice.deviceType, mx: "3"), "3"),
            (search("ssdp:all", host: "10.77.0.2:1900", mx: nil), "1"),
        ] {
            let heard = try #require(filter.pass(text, from: asker).flatMap { SSDPMessage($0) })
            #expect(heard["HOST"] == "239.255.255.250:1900" && heard["MX"] == wait && heard["X"] == nil)
            #expect(heard["ST"] == SSDPMessage(text)?["ST"])
        }
    }

    @Test("prefixes of types, foreign types, other protocol versions, foreign hosts and announcements are not heard")
    func drops() throws {
        var filter = try filter()
        for text in [
            search("urn:schemas-upnp-org:device:CloudletServ:1"), search("urn:schemas-upnp-org:device:CloudletServer"),
            search("foo:all"), search(""), search("ssdp:all", version: "2.0"), search("ssdp:all", mx: nil),
            search("ssdp:all", host: "10.77.0.9:1900"), search("ssdp:all", host: "10.77.0.2:80"), [],
            Array("NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n".utf8),
        ] { #expect(filter.pass(text, from: asker) == nil) }
    }

    @Test("a flood is heard within the bounds of our own engine")
    func flood() throws {
        var filter = try filter()
        let (text, start) = (search("ssdp:all"), ContinuousClock.now)
        let heard = (0..<5000).filter { filter.pass(text, from: asker, at: start + .milliseconds($0 * 2)) != nil }.count
        // 60 answers at once and 20 a second, five for each search.
        #expect(heard >= 40 && heard <= 53)
        let others = (0..<5000).filter { filter.pass(text, from: .v4(UInt32($0 + 1)), at: start) != nil }.count
        #expect(others <= 200)
    }
}
