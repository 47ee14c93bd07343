// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import CloudletNetwork

@Suite struct IPAddressTests {
    @Test(
        "addresses are read and printed in their canonical form",
        arguments: [
            ("10.77.0.2", "10.77.0.2"), ("FE80::0001", "fe80::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("::", "::"), ("::1", "::1"),
        ])
    func roundTrip(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "10.0.0", "10.0.0.256", "1.2.3.4.5", "010.1.1.1 ", "fe80::1%eth0", "[::1]", "::1::", "localhost",
            "1.2.3.4\u{0}",
        ])
    func refused(text: String) { #expect(IPAddress(text) == nil) }

    @Test("prefixes of both families are compared by bits")
    func prefixes() throws {
        let four = try #require(IPAddress("10.77.0.2"))
        #expect(try four.shares(prefix: 16, with: #require(IPAddress("10.77.255.255"))))
        #expect(try !four.shares(prefix: 17, with: #require(IPAddress("10.77.128.1"))))
        #expect(try four.shares(prefix: 0, with: #require(IPAddress("203.0.113.5"))))
        let six = try #require(IPAddress("fd77::1"))
        #expect(try six.shares(prefix: 64, with: #require(IPAddress("fd77::ffff:0:0:1"))))
        #expect(try !six.shares(prefix: 65, with: #require(IPAddress("fd77::8000:0:0:1"))))
        #expect(!six.shares(prefix: 0, with: four))
    }

    @Test("kinds of address are told apart")
    func kinds() {
        #expect(IPAddress("fe80::1")?.isLinkLocal == true && IPAddress("169.254.1.1")?.isLinkLocal == true)
        #expect(IPAddress("127.0.0.1")?.isLoopback == true && IPAddress("::1")?.isLoopback == true)
        for text in ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::c", "::"] {
            #expect(IPAddress(text)?.isUnicast == false)
        }
        #expect(IPAddress("fd77::1")?.isUnicast == true && IPAddress("10.0.0.1")?.isUnicast == true)
    }

    @Test(
        "a zone belongs to addresses of an IPv6 link, which need one",
        arguments: [
            ("10.0.0.1", nil), ("::1", nil), ("fd77::1", nil), ("fe80::1%eth0", nil), ("fe80::1%2", nil),
            ("127.0.0.1%eth0", "no zone ('%eth0')"), ("10.0.0.1%1", "no zone ('%1')"), ("169.254.1.1%eth0", "no zone"),
            ("10.0.0.1%", "no zone"), ("fd77::1%eth0", "only link-local IPv6 addresses"), ("::1%lo", "only link-local"),
            ("fe80::1", "needs its interface"), ("fe80::1%", "is empty"), ("eth0", "no IP address"),
            ("%eth0", "no IP address"), ("", "no IP address"), ("10.0.0.1%\u{1B}[2J", "no zone ('%�[2J')"),
        ] as [(String, String?)])
    func zones(text: String, reason: String?) {
        let objection = ScopedAddress.objection(to: text)
        #expect((objection == nil) == (reason == nil), "\(objection ?? "")")
        if let reason { #expect(objection?.contains(reason) == true, "\(objection ?? "")") }
    }

    @Test("socket addresses carry address, port and scope")
    func socketAddress() throws {
        let address = try #require(IPAddress("fe80::1:2"))
        let socket = SocketAddress(Endpoint(address, 1900, on: 7))
        #expect(socket.address == address && socket.port == 1900 && socket.scope == 7)
        #expect(try SocketAddress(Endpoint(#require(IPAddress("fd77::1")), 1, on: 7)).scope == 0)
        #expect(SocketAddress(Endpoint(.v4(0x0A4D_0002), 80)).address?.description == "10.77.0.2")
        #expect(try SocketAddress(ipAddress: "::ffff:10.77.0.2", port: 1).address?.description == "10.77.0.2")
    }

    @Test("hosts with port are read as in HOST and URLs")
    func hostAndPort() {
        #expect(Endpoint("239.255.255.250:1900") == Endpoint(.v4(0xEFFF_FFFA), 1900))
        #expect(Endpoint("[FF02::C]:1900") == Endpoint(.v6(high: 0xFF02_0000_0000_0000, low: 0xC), 1900))
        #expect(Endpoint("[fe80::1%eth0]:80")?.address.description == "fe80::1")
        for text in ["239.255.255.250", "ff02::c:1900", "[10.0.0.1]:80", "host:80", "10.0.0.1:65536", ":80", "[::1:80"]
        {
            #expect(Endpoint(text) == nil, "\(text)")
        }
    }
}
