// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Testing

@testable import CloudletHypervisor

/// libvirt's own test driver: a hypervisor that needs no hypervisor.
@Suite struct LibvirtTests {
    private func xml(_ name: String) -> String {
        "<domain type='test'><name>\(name)</name><memory>8192</memory><os><type>hvm</type></os></domain>"
    }

    @Test("a domain is made, paused, resumed, ended, and its end is told")
    func lifecycle() async throws {
        let connection = try LibvirtConnection(uri: "test:///default")
        let domain = try LibvirtDomain.create(xml("cloudlet-t"), paused: false, on: connection)
        #expect(domain.name == "cloudlet-t" && domain.isActive)
        try domain.suspend()
        #expect(try domain.state() == .paused)
        try domain.resume()
        #expect(try domain.state() == .running)
        #expect(try LibvirtDomain.active(on: connection).map(\.name).contains("cloudlet-t"))
        let events = connection.events.stream(of: "cloudlet-t")
        try domain.destroy()
        var ended = false
        for await entry in events where entry.event.isEnd { ended = true }
        #expect(ended && !domain.isActive)
        try domain.destroy()
    }

    @Test("libvirt's reason reaches the reader, with a code and without chatter")
    func failures() throws {
        let connection = try LibvirtConnection(uri: "test:///default")
        let error = #expect(throws: CloudletError.self) {
            try LibvirtDomain.create("<domain", paused: false, on: connection)
        }
        #expect(error?.description.hasPrefix("can't start the VM: ") == true)
        let wrong = #expect(throws: CloudletError.self) { try LibvirtConnection(uri: "nosuch:///x") }
        #expect(wrong?.code == .unavailable)
        #expect(try connection.capabilities().contains("<capabilities>"))
        #expect(try DomainDescriptionReader.securityModels(in: connection.capabilities()) == ["testSecurity"])
    }

    @Test("a display's port is read from what libvirt filled in")
    func vncPort() throws {
        let xml = "<domain><devices><graphics type='vnc' port='5901'/></devices></domain>"
        #expect(try DomainDescriptionReader.vncPort(in: xml) == 5901)
        #expect(try DomainDescriptionReader.vncPort(in: "<domain><devices/></domain>") == nil)
    }

    @Test("roots are held by one process, commands get one each, and the URI stays short")
    func roots() throws {
        let scratch = try ScratchDirectory()
        let deep = scratch.file(String(repeating: "d", count: 60))
        let first = try HypervisorRoot(under: deep, role: .command)
        let second = try HypervisorRoot(under: deep, role: .command)
        #expect(first.directory != second.directory)
        #expect(first.uri.utf8.count < 70)
        let node = try HypervisorRoot(under: deep, role: .node)
        let error = #expect(throws: CloudletError.self) { try HypervisorRoot(under: deep, role: .node) }
        #expect(error?.code == .busy)
        withExtendedLifetime((first, second, node)) {}
    }

    @Test("what the user network lists is understood")
    func userNetwork() {
        let forward = UserNetworkEntry(
            "  TCP[HOST_FORWARD]  12       127.0.0.1 43211       10.0.2.15    22     0     0")
        #expect(forward?.isForward == true && forward?.hostPort == 43211 && forward?.guestPort == 22)
        let open = UserNetworkEntry("  TCP[ESTABLISHED]    14       127.0.0.1 50122       10.0.2.15    22     0     0")
        #expect(open?.state == "ESTABLISHED" && open?.isForward == false)
        #expect(
            UserNetworkEntry("  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ") == nil)
        #expect(UserNetworkEntry("Hub 0 (net0):") == nil)
    }
}
