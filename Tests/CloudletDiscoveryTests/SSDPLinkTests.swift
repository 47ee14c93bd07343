// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery
import CloudletNetwork
import Testing

@Suite struct SSDPLinkTests {
    @Test("SSDP speaks from an address of each prefix, from deprecated ones where there is no other")
    func places() throws {
        func spoken(_ addresses: [(String, Int, Bool)]) throws -> [String] {
            var lan = NetworkInterface(index: 2, name: "eth0")
            lan.addresses = try addresses.map {
                InterfaceAddress(try #require(IPAddress($0.0)), prefixLength: $0.1, isDeprecated: $0.2)
            }
            return SSDPLink.all(on: lan).map { "\($0.address)" }
        }
        #expect(
            try spoken([("10.77.0.2", 16, false), ("10.77.0.9", 16, false), ("10.99.0.1", 24, false)])
                == ["10.77.0.2", "10.99.0.1"])
        #expect(
            try spoken([
                ("fe80::1", 64, false), ("fd77::1", 64, false), ("fd77::2", 128, false), ("2001:db8::1", 64, true),
            ]) == ["fe80::1", "fd77::1"])
        #expect(try spoken([("fe80::1", 64, true), ("fd77::1", 64, true)]) == ["fe80::1", "fd77::1"])
        #expect(try spoken((0..<50).map { ("10.\($0).0.1", 16, false) }).count == 6)
    }
}
