// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import Testing

@testable import CloudletConformance

/// The device that is checked can't have other hosts asked for anything.
@Suite struct ForeignAddressTests {
    @Test("a LOCATION leads to the device that answers, and nowhere else")
    func location() throws {
        let source = try #require(IPAddress("10.77.0.2"))
        #expect(try DeviceUnderTest.location(told: "http://10.77.0.2:8022/d.xml", by: source).path == "/d.xml")
        for text in ["http://10.77.0.3/cgi-bin/reboot?now=1", "http://[fe80::2]/d.xml", "ftp://10.77.0.2/", nil] {
            #expect(throws: CloudletError.self) { try DeviceUnderTest.location(told: text, by: source) }
        }
    }

    @Test("addresses in a description that lead to other hosts are not taken, with or without URLBase")
    func description() throws {
        let location = try #require(WebAddress("http://10.77.0.2:8022/d.xml"))
        func service(_ address: String, base: String = "") throws -> DeviceDescription {
            try DeviceDescription(
                """
                <root>\(base)<device><UDN>uuid:x</UDN><presentationURL>\(address)</presentationURL><serviceList><service>
                <SCPDURL>\(address)</SCPDURL><controlURL>\(address)</controlURL><eventSubURL>\(address)</eventSubURL>
                </service></serviceList></device></root>
                """, at: location)
        }
        for address in ["http://10.77.0.3/x", "//10.77.0.3/x", "http://10.77.0.2@10.77.0.3/x"] {
            let description = try service(address)
            let first = try #require(description.services.first)
            #expect(first.document == nil && first.control == nil && first.events == nil)
            #expect(description.presentation == nil)
        }
        let based = try #require(try service("/x", base: "<URLBase>http://10.77.0.3/</URLBase>").services.first)
        #expect(based.document == nil && based.control == nil && based.events == nil)
        for address in ["/x", "http://10.77.0.2:9/x"] {
            let first = try #require(try service(address).services.first)
            #expect(first.document?.path == "/x" && first.control != nil && first.events != nil)
        }
    }
}
