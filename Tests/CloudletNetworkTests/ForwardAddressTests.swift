// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import Testing

@Suite struct ForwardAddressTests {
    @Test("an address for forwards is one of this host's IPv4 addresses, or the reason is given")
    func forwardAddresses() throws {
        for good in ["127.0.0.1", "0.0.0.0", "127.1.2.3"] { try ForwardAddress.require(good) }
        for (text, reason) in [
            ("", "it is empty"), ("localhost", "not an IPv4 address"), ("::1", "an IPv6 address"),
            ("fe80::1%eth0", "an IPv6 address"), ("127.1", "not an IPv4 address"),
            ("127.0.0.1:80", "not an IPv4 address"),
            ("127.0.0.1-:22 x", "not an IPv4 address"), (" 127.0.0.1", "not an IPv4 address"),
            ("127.0.0.1%eth0", "an IPv4 address has no zone ('%eth0')"), ("10.0.0.1%", "has no zone"),
            ("::ffff:127.0.0.1", "IPv6"),
        ] {
            let error = #expect(throws: CloudletError.self) { try ForwardAddress.require(text) }
            #expect(error?.code == .usage && error?.description.contains(reason) == true, "\(text): \(error as Any)")
        }
        let absent = #expect(throws: CloudletError.self) { try ForwardAddress.require("192.0.2.77") }
        #expect(absent?.code == .unavailable && absent?.description.contains("no interface of this host") == true)
    }
}
