// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import Testing

@testable import CloudletDiscovery
@testable import CloudletFinding
@testable import CloudletNetwork

/// What strangers say never makes the finder do to others what they say.
@Suite struct ClaimTests {
    private let lan = NetworkInterface(
        index: 2, name: "eth0",
        addresses: [
            InterfaceAddress(.v4(0x0A4D_0009), prefixLength: 16), InterfaceAddress(.v4(0xC633_6409), prefixLength: 24),
            InterfaceAddress(.v6(high: 0x2001_0DB8_0001_0002, low: 9), prefixLength: 64),
        ])
    private let source = IPAddress.v4(0x0A4D_0002)
    private let id = NodeID.random()
    private let now = ContinuousClock.now

    private func candidate(
        _ address: String, http: UInt16? = 8022, path: String? = "/d.xml", from source: IPAddress? = nil
    ) throws -> Candidate {
        let endpoint = NodeEndpoint(
            address: try #require(IPAddress(address)), interface: 2, httpPort: http, descriptionPath: path,
            synthesisPort: 8021)
        return Candidate(origin: .ssdp, id: id, endpoint: endpoint, source: source ?? self.source)
    }

    @Test(
        "an address is on the link, at the site, or beyond",
        arguments: [
            ("10.77.200.1", .link), ("198.51.100.1", .link), ("fe80::1", .link), ("2001:db8:1:2::1", .link),
            ("10.78.0.1", .site), ("192.168.1.1", .site), ("172.31.0.1", .site), ("100.64.0.1", .site),
            ("198.51.7.1", .site), ("2001:db8:1:3::1", .site), ("fd77::1", .site),
            ("203.0.113.5", .beyond), ("172.32.0.1", .beyond), ("100.128.0.1", .beyond), ("2001:db8:2::1", .beyond),
            ("169.254.169.254", .beyond), ("127.0.0.1", .beyond), ("::1", .beyond), ("0.0.0.0", .beyond),
            ("10.77.255.255", .beyond), ("239.255.255.250", .beyond), ("255.255.255.255", .beyond),
            ("ff02::1", .beyond), ("::", .beyond),
        ] as [(String, Reach)])
    func reach(address: String, reach: Reach) throws {
        #expect(lan.reach(of: try #require(IPAddress(address))) == reach)
    }

    @Test("a host that speaks for itself is asked for what it announces")
    func own() throws {
        let followed = try #require(candidate("10.77.0.2").followed(from: lan)?.endpoint)
        #expect(followed.descriptionPath == "/d.xml" && followed.synthesisPort == 8021 && !followed.isRouted)
        let action = try candidate("10.77.0.2", path: "/cgi-bin/reboot?now=1").followed(from: lan)
        #expect(action?.endpoint?.descriptionPath == nil && action?.endpoint?.httpPort == 8022)
    }

    @Test("a host that others name is asked for its status alone", arguments: ["10.77.0.3", "10.78.0.3", "fe80::3"])
    func third(address: String) throws {
        let followed = try #require(candidate(address).followed(from: lan)?.endpoint)
        #expect(followed.descriptionPath == nil && followed.synthesisPort == nil && followed.httpPort == 8022)
        #expect(followed.isRouted == (address == "10.78.0.3"))
        #expect(try candidate(address, http: nil).followed(from: lan) == nil)
    }

    @Test("no port is asked where a request could do something", arguments: [22, 25, 515, 6667, 9100, 0] as [UInt16])
    func ports(port: UInt16) throws {
        for address in ["10.77.0.2", "10.77.0.3"] {
            #expect(try candidate(address, http: port).followed(from: lan) == nil)
        }
    }

    @Test("who announces itself from beyond the site is not asked, but told of")
    func beyond() throws {
        var inbox = FinderInbox()
        let far = try #require(IPAddress("203.0.113.5"))
        let type = UPnPDevice.deviceType
        let announcement = SSDPMessage(
            .notify,
            [
                ("NT", type), ("NTS", "ssdp:alive"), ("USN", "uuid:\(id)::\(type)"),
                ("LOCATION", "http://203.0.113.5:8022/d.xml"),
            ])
        #expect(inbox.take(announcement, from: far, on: lan).isEmpty && inbox.observations.beyond == [far])
        let hints = FinderDiagnosis.hints(
            observations: inbox.observations, interfaces: [lan], unverified: [], options: FinderOptions())
        #expect(hints.contains { $0.finding.contains("203.0.113.5") && $0.advice.contains("--host 203.0.113.5") })
    }

    @Test(
        "a host that others name gets one harmless request, whatever it answers",
        arguments: [
            "404 Not Found", "302 Found\r\nLocation: /cgi-bin/reboot", "200 OK", "401 Unauthorized",
        ])
    func verification(status: String) async throws {
        let victim = try #require(Listener())
        let loopback = NetworkInterface(
            index: 1, name: "lo", isMulticast: false, isLoopback: true,
            addresses: [InterfaceAddress(.v4(0x7F00_0001), prefixLength: 8)])
        let claim = Candidate(
            origin: .ssdp, id: id,
            endpoint: NodeEndpoint(
                address: .v4(0x7F00_0001), interface: 1, httpPort: victim.port,
                descriptionPath: "/cgi-bin/reboot", synthesisPort: 1),
            source: .v4(0x7F00_0002))
        let endpoint = try #require(claim.followed(from: loopback)?.endpoint)
        async let request = victim.next(answering: "<root/>", status: status)
        await #expect(throws: CloudletError.self) { try await Verification.run(endpoint, expecting: id) }
        #expect(await request.hasPrefix("GET /v1/node HTTP/1.0\r\n"))
        // Nothing else came: the next request is this one.
        async let next = victim.next()
        let probe = try HTTPFetch("/probe", from: Endpoint(.v4(0x7F00_0001), victim.port))
        while probe.isSending { _ = try? probe.proceed() }
        #expect(await next.hasPrefix("GET /probe"))
    }

    @Test("an id that was announced must be verified, also where no HTTP port was told")
    func unproven() async throws {
        let open = try #require(Listener())
        let endpoint = NodeEndpoint(address: .v4(0x7F00_0001), interface: 0, synthesisPort: open.port)
        await #expect(throws: CloudletError.self) { try await Verification.run(endpoint, expecting: id) }
        #expect(try await Verification.run(endpoint, expecting: nil).synthesisPort == open.port)
    }

    @Test("what others say of a node's host does not change what it says itself")
    func ownPortsStay() throws {
        var catalogue = NodeCatalogue(checkInterval: .seconds(5))
        _ = try catalogue.take(candidate("10.77.0.2"), at: now)
        let job = try #require(catalogue.takeJobs().first?.job)
        let record = NodeRecord(id: id, name: "n", httpPort: 8022)
        let result = VerificationResult(
            id: id, name: "n", synthesisPort: 8021, roundTrip: .milliseconds(1), status: NodeStatus(record))
        _ = catalogue.finish(job, .success(result), at: now)
        // A sender's address can be made up, too.
        for liar in [IPAddress.v4(0x0A4D_0063), source] {
            let claim = try candidate("10.77.0.2", http: 9999, from: liar).followed(from: lan)
            _ = catalogue.take(try #require(claim), at: now)
            for wrong in catalogue.takeJobs() {
                _ = catalogue.finish(wrong.job, .failure(CloudletError(.unavailable, "closed")), at: now)
            }
        }
        catalogue.tick(at: now + .seconds(6))
        #expect(catalogue.takeJobs().map(\.job.endpoint.httpPort) == [8022])
        #expect(catalogue.found.map(\.addresses) == [["10.77.0.2"]])
    }

    @Test("who announces in a node's name leads to it; a host that is another each time is not asked for ever")
    func namesakes() throws {
        var catalogue = NodeCatalogue()
        func result(_ id: NodeID) -> VerificationResult {
            VerificationResult(
                id: id, name: "n", httpPort: 8022, synthesisPort: 8021, roundTrip: .milliseconds(1),
                status: NodeStatus(NodeRecord(id: id, name: "n", httpPort: 8022)))
        }
        func mismatch(_ job: VerificationJob, _ id: NodeID) -> [FinderEvent] {
            catalogue.finish(job, .failure(CloudletError(.protocolViolation, "another")), at: now)
                + catalogue.take(result(id), insteadOf: job, at: now)
        }
        var claim = try candidate("10.77.0.2")
        claim.id = .random()
        _ = catalogue.take(claim, at: now)
        let job = try #require(catalogue.takeJobs().first?.job)
        #expect(mismatch(job, id).isEmpty)
        let genuine = try #require(catalogue.takeJobs().first?.job)
        #expect(genuine.key == .id(id) && genuine.endpoint.address == job.endpoint.address)
        _ = catalogue.finish(genuine, .success(result(id)), at: now)
        #expect(catalogue.found.map(\.key) == [id.description])
        // The liar's host.
        var lie = try candidate("10.77.0.66", from: .v4(0x0A4D_0042))
        lie.id = .random()
        _ = catalogue.take(lie, at: now)
        var asked = 0
        while let next = catalogue.takeJobs().first?.job, asked < 100 {
            asked += 1
            _ = mismatch(next, .random())
        }
        #expect(asked == 5 && catalogue.found.count == 1)
    }

    @Test("a host that the machine knows does not wait for those that never answer")
    func trusted() throws {
        var catalogue = NodeCatalogue()
        for number in 0..<300 {
            var claim = try candidate("10.77.0.2")
            let address = IPAddress.v4(0x0A4D_1000 + UInt32(number))
            (claim.id, claim.source) = (.random(), address)
            claim.endpoint?.address = address
            _ = catalogue.take(claim, at: now)
        }
        #expect(catalogue.takeJobs().count == NodeCatalogue.maximumActive)
        _ = try catalogue.take(candidate("10.77.0.2"), at: now)
        #expect(catalogue.takeJobs().isEmpty)
        catalogue.trust([source])
        let jobs = catalogue.takeJobs()
        #expect(jobs.map(\.job.key) == [.id(id)] && jobs.allSatisfy { !$0.isInDoubt })
    }

    @Test("two nodes on one host that is given by address are both found")
    func twoPorts() throws {
        var catalogue = NodeCatalogue()
        for port: UInt16 in [8022, 8023] {
            let endpoint = NodeEndpoint(address: source, interface: 0, httpPort: port, synthesisPort: 8021)
            _ = catalogue.take(Candidate(origin: .given, endpoint: endpoint), at: now)
        }
        catalogue.tick(at: now + .milliseconds(20))
        for (job, _) in catalogue.takeJobs() {
            let result = VerificationResult(id: .random(), name: "n", synthesisPort: 8021, roundTrip: .zero)
            _ = catalogue.finish(job, .success(result), at: now)
        }
        #expect(catalogue.found.count == 2)
    }

    @Test("nobody can have a host asked again and again; the host itself is still heard")
    func bounded() throws {
        var catalogue = NodeCatalogue()
        func claim(_ number: Int, at time: ContinuousClock.Instant) throws -> Int {
            var claim = try candidate(
                "10.77.0.3", http: UInt16(2000 + number), from: .v4(0x0A4D_0100 + UInt32(number % 200)))
            claim.id = .random()
            _ = catalogue.take(claim, at: time)
            let jobs = catalogue.takeJobs()
            for (job, _) in jobs {
                _ = catalogue.finish(job, .failure(CloudletError(.unavailable, "closed")), at: time)
            }
            return jobs.count
        }
        #expect(try (0..<1000).reduce(0) { try $0 + claim($1, at: now) } == 16)
        #expect(try (1000..<2000).reduce(0) { try $0 + claim($1, at: now + .seconds(60)) } <= 16)
        _ = try catalogue.take(candidate("10.77.0.3", from: .v4(0x0A4D_0003)), at: now + .seconds(60))
        #expect(catalogue.takeJobs().map(\.job.endpoint.httpPort) == [8022])
    }

    @Test(
        "addresses on other networks are tried when those on the link do not answer, and only then",
        arguments: [true, false])
    func routed(isOnLink: Bool) throws {
        var catalogue = NodeCatalogue()
        for address in ["fe80::3", "10.78.0.3"] {
            _ = catalogue.take(try #require(try candidate(address).followed(from: lan)), at: now)
        }
        let first = catalogue.takeJobs().map(\.job)
        #expect(first.map(\.endpoint.address.description) == ["fe80::3"])
        catalogue.tick(at: now + .milliseconds(100))
        #expect(catalogue.takeJobs().isEmpty)
        let result = VerificationResult(id: id, name: "n", synthesisPort: 8021, roundTrip: .zero)
        if isOnLink { for job in first { _ = catalogue.finish(job, .success(result), at: now) } }
        catalogue.tick(at: now + .milliseconds(250))
        #expect(catalogue.takeJobs().map(\.job.endpoint.address.description) == (isOnLink ? [] : ["10.78.0.3"]))
        #expect(catalogue.isIdle == isOnLink)
    }

    @Test("every address that a host tells of itself is tried", arguments: [1, 12, 32])
    func manyAddresses(count: Int) throws {
        let host = DNSName(dotted: "h.local")
        let instance = DNSName(["n", "_cloudlet", "_tcp", "local"])
        let addresses = (0..<count).map { IPAddress.v4(0x0A4D_0100 + UInt32($0)) }
        var message = DNSMessage()
        message.isResponse = true
        message.records = [
            DNSRecord(name: instance, timeToLive: 120, data: .service(host: host, port: 8021)),
            DNSRecord(
                name: instance, timeToLive: 120, data: .text([Array("id=\(id)".utf8), Array("http=8022".utf8)])),
        ]
        message.records += addresses.map { DNSRecord(name: host, timeToLive: 120, data: .address($0)) }
        var inbox = FinderInbox()
        var catalogue = NodeCatalogue()
        for candidate in inbox.take(message, from: source, on: lan).candidates {
            _ = catalogue.take(candidate, at: now)
        }
        catalogue.tick(at: now + .milliseconds(20))
        #expect(Set(catalogue.takeJobs().map(\.job.endpoint.address)) == Set(addresses))
    }

    @Test("behind a reflector the advertised addresses are tried; without any they are asked for")
    func reflector() throws {
        let host = DNSName(dotted: "h.local")
        let instance = DNSName(["n", "_cloudlet", "_tcp", "local"])
        var message = DNSMessage()
        message.isResponse = true
        message.records = [
            DNSRecord(name: instance, timeToLive: 120, data: .service(host: host, port: 8021)),
            DNSRecord(
                name: instance, timeToLive: 120, data: .text([Array("id=\(id)".utf8), Array("http=8022".utf8)])),
        ]
        var inbox = FinderInbox()
        let open = inbox.take(message, from: source, on: lan)
        #expect(open.candidates.map(\.endpoint?.address) == [source])
        #expect(
            Set(open.questions.map(\.type)) == [DNSType.a, DNSType.aaaa]
                && open.questions.allSatisfy { $0.name == host })
        var addresses = DNSMessage()
        addresses.isResponse = true
        addresses.records = try ["10.78.0.3", "fe80::3", "203.0.113.5", "127.0.0.1", "169.254.169.254"].map {
            DNSRecord(name: host, timeToLive: 120, data: .address(try #require(IPAddress($0))))
        }
        // The addresses may come by themselves.
        let places = inbox.take(addresses, from: source, on: lan).candidates.compactMap(\.endpoint)
        #expect(places.map(\.address.description) == ["fe80::3", "10.78.0.3"])
        #expect(places.map(\.isRouted) == [false, true] && places.allSatisfy { $0.synthesisPort == nil })
    }

    @Test("what comes by multicast is taken whatever its sender's network; mDNS by unicast only from the link")
    func senders() {
        func socket(_ origin: DiscoveryOrigin, asks: Bool) -> FinderSockets.Socket {
            FinderSockets.Socket(
                descriptor: -1, origin: origin, group: SSDPGroup.v4, interface: lan, sendsQuestions: asks)
        }
        let other = IPAddress.v4(0xC0A8_0102)
        for (origin, asks, hops, isTaken) in [
            (.mdns, false, 255, true), (.mdns, false, -1, true), (.ssdp, false, -1, true), (.ssdp, true, 63, true),
            (.mdns, true, 255, true), (.mdns, true, 254, false), (.mdns, true, -1, false),
        ] as [(DiscoveryOrigin, Bool, Int32, Bool)] {
            #expect(socket(origin, asks: asks).takes(from: other, hops: hops) == isTaken)
            #expect(socket(origin, asks: asks).takes(from: source, hops: 64))
            #expect(!socket(origin, asks: asks).takes(from: .v4(0x0A4D_FFFF), hops: 255))
            #expect(!socket(origin, asks: asks).takes(from: .v4(0xE000_00FB), hops: 255))
        }
    }

    @Test("each IPv4 network of an interface is asked from an address of its own")
    func networks() {
        var interface = lan
        interface.addresses += [
            InterfaceAddress(.v4(0x0A4D_000A), prefixLength: 16, isSecondary: true),
            InterfaceAddress(.v4(0xC0A8_0109), prefixLength: 24),
        ]
        let asked = FinderSockets.links(on: interface).filter { $0.group == SSDPGroup.v4 }.map(\.address)
        #expect(asked.map(\.description) == ["10.77.0.9", "198.51.100.9", "192.168.1.9"])
    }
}
