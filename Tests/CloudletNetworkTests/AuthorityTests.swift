// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import CloudletNetwork

/// The parsers of addresses with zones, authorities and URLs.
@Suite struct AuthorityTests {
    @Test("an authority is an address or a name, and perhaps a port")
    func authorities() throws {
        func address(_ text: String, zone: String? = nil) throws -> Authority.Host {
            .address(ScopedAddress(try #require(IPAddress(text)), zone: zone))
        }
        let cases: [(String, Authority.Host, UInt16?)] = [
            ("10.0.0.5", try address("10.0.0.5"), nil), ("10.0.0.5:80", try address("10.0.0.5"), 80),
            ("10.0.0.5:", try address("10.0.0.5"), nil), ("[FD00::5]", try address("fd00::5"), nil),
            ("[fd00::5]:8022", try address("fd00::5"), 8022), ("[::1]:0", try address("::1"), 0),
            ("node.local:1", .name("node.local"), 1), ("1.2.3", .name("1.2.3"), nil),
            // As RFC 6874 has it, as most programs write it, and an interface that really is called so.
            ("[fe80::1%25eth0]:80", try address("fe80::1", zone: "eth0"), 80),
            ("[fe80::1%eth0]:80", try address("fe80::1", zone: "eth0"), 80),
            ("[fe80::1%25]:80", try address("fe80::1", zone: "25"), 80),
        ]
        for (text, host, port) in cases {
            let authority = try #require(Authority(text), "\(text)")
            #expect(authority.host == host && authority.port == port, "\(text)")
        }
    }

    @Test(
        "what has another form is no authority",
        arguments: [
            "", ":80", "[]", "[::1", "::1", "fd00::5:80", "[10.0.0.1]:80", "[fe80::1%]", "[fe80::1%a b]", "[::1]80",
            "[::1]x:80", "host:65536", "host:+80", "host:8 0", "host:123456", "a@b", "a/b", "ü", "host\u{0}",
            "10.0.0.1:x",
        ])
    func refusedAuthority(text: String) { #expect(Authority(text) == nil) }

    @Test("a host and a port are separated at the last colon, or behind the brackets")
    func hostsAndPorts() throws {
        let cases: [(String, String, Bool, String?)] = [
            ("", "", false, nil), (":80", "", false, "80"), ("host", "host", false, nil), ("host:", "host", false, ""),
            ("10.0.0.5:80", "10.0.0.5", false, "80"), ("fd00::5:80", "fd00::5", false, "80"), ("[]", "", true, nil),
            ("[fe80::1%eth0]:x", "fe80::1%eth0", true, "x"), ("[a:b]", "a:b", true, nil), ("[a]:", "a", true, ""),
        ]
        for (text, host, isBracketed, port) in cases {
            let parts = try #require(HostAndPort(text), "\(text)")
            #expect(parts.host == host && parts.isBracketed == isBracketed && parts.port == port, "\(text)")
        }
        for text in ["[", "[::1", "[::1]80", "[::1]]:80"] { #expect(HostAndPort(text) == nil, "\(text)") }
        #expect(HostAndPort.number("65535") == 65535 && HostAndPort.number("0") == 0)
        for text in ["", "65536", "+80", "-1", "8 0", "000080"] { #expect(HostAndPort.number(text) == nil, "\(text)") }
    }

    @Test("the server of a URL is named after user information, which ends at the only @")
    func servers() {
        #expect(AbsoluteURL("http://me:secret@10.0.0.5:8/x")?.server == Authority("10.0.0.5:8"))
        #expect(AbsoluteURL("http://node.local/@x")?.server == Authority("node.local"))
        for text in ["http://a@b@c/", "http:///x", "http://a@/", "http://a@b:x/", "http://10.0.0.5\\@b/"] {
            #expect(AbsoluteURL(text)?.server == nil, "\(text)")
        }
    }

    @Test("endpoints are read and written as in HOST, without the sender's zone")
    func endpoints() throws {
        for text in ["10.0.0.5:80", "[fd00::5]:8022", "[fe80::1]:1"] { #expect(Endpoint(text)?.description == text) }
        #expect(Endpoint("[fe80::1%7]:80", on: 3) == Endpoint("[fe80::1]:80", on: 3))
        #expect(Endpoint("name:80") == nil && Endpoint("10.0.0.5") == nil)
        #expect(SocketAddress(try #require(Endpoint("[fe80::1]:80", on: 3))).scope == 3)
        #expect(SocketAddress(try #require(Endpoint("[fd00::1]:80", on: 3))).scope == 0)
    }

    @Test("an address is written with a zone where it needs one")
    func scoped() throws {
        let interface = NetworkInterface(
            index: 3, name: "eth0",
            addresses: try ["10.0.0.5", "fe80::1", "fd00::5"].map {
                InterfaceAddress(try #require(IPAddress($0)), prefixLength: 24)
            })
        #expect(interface.scopedAddresses.map(\.description) == ["10.0.0.5", "fe80::1%eth0", "fd00::5"])
        #expect(ScopedAddress("FE80::1%eth0") == interface.scopedAddresses[1])
        #expect(ScopedAddress("fe80::1%eth0")?.withoutZone.description == "fe80::1" && ScopedAddress("%eth0") == nil)
        #expect(interface.scopedAddresses.map(\.urlHost) == ["10.0.0.5", "[fe80::1%eth0]", "[fd00::5]"])
        #expect(interface.isZone("eth0") && interface.isZone("3") && !interface.isZone("eth1"))
    }

    @Test("a URL is split into scheme, authority and path")
    func urls() throws {
        let cases = [
            ("http://10.0.0.5/d.xml", "http", "10.0.0.5", "/d.xml"), ("HTTP://h", "http", "h", "/"),
            ("https://[::1]:8/a/b?c=d", "https", "[::1]:8", "/a/b?c=d"), ("http://h?q", "http", "h", "/?q"),
            ("http://a@b/x", "http", "a@b", "/x"), ("http:///x", "http", "", "/x"),
        ]
        for (text, scheme, authority, path) in cases {
            let url = try #require(AbsoluteURL(text), "\(text)")
            #expect(url.scheme == scheme && url.authority == authority && url.path == path, "\(text)")
        }
        for text in ["", "/x", "//h/x", "h/x", "http:/h", "://h", "1://h", "http://h/ x", "http://h/ü", "http://h\r\n"]
        {
            #expect(AbsoluteURL(text) == nil, "\(text)")
        }
    }

    @Test("a connection goes to literal addresses of http URLs only")
    func destinations() {
        #expect(AbsoluteURL("http://10.0.0.5/x")?.endpoint()?.description == "10.0.0.5:80")
        #expect(AbsoluteURL("http://[fe80::1%eth9]:8022")?.endpoint(on: 4) == Endpoint("[fe80::1]:8022", on: 4))
        for text in ["https://10.0.0.5/", "http://name/", "http://10.0.0.5@10.0.0.6/", "http://10.0.0.5:0/", "http://"]
        {
            #expect(AbsoluteURL(text)?.endpoint() == nil, "\(text)")
        }
    }
}
