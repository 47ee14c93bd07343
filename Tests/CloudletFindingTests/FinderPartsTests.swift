// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import FoundationEssentials
import SystemPackage
import Testing

@testable import CloudletDiscovery
@testable import CloudletFinding
@testable import CloudletNetwork

@Suite struct FinderPartsTests {
    private let lan = NetworkInterface(
        index: 2, name: "eth0", addresses: [InterfaceAddress(.v4(0x0A4D_0009), prefixLength: 16)])
    private let source = IPAddress.v4(0x0A4D_0002)
    private let id = "2c975b02-6da1-45ae-81f8-b35170336455"

    private func answer(_ changes: [String: String?] = [:]) -> SSDPMessage {
        var headers = [
            "ST": UPnPDevice.deviceType, "USN": "uuid:\(id)::\(UPnPDevice.deviceType)",
            "LOCATION": "http://10.77.0.2:8080/upnp/device.xml",
        ]
        for (name, value) in changes { headers[name] = value }
        return SSDPMessage(.response, headers.map { ($0.key, $0.value) })
    }

    @Test("an answer shows a node at its location")
    func answerShows() throws {
        let candidate = try #require(SSDPCandidates.candidate(answer(), from: source, on: lan))
        #expect(
            candidate.id == NodeID(id) && candidate.endpoint?.address == source && candidate.endpoint?.httpPort == 8080)
        #expect(candidate.endpoint?.descriptionPath == "/upnp/device.xml")
    }

    @Test(
        "answers that lead elsewhere, or are about something else, show nothing",
        arguments: [
            ("LOCATION", "http://203.0.113.5:80/x"), ("LOCATION", "http://127.0.0.1:80/x"),
            ("LOCATION", "https://10.77.0.2/x"),
            ("LOCATION", "http://host.local/x"), ("LOCATION", "http://10.77.0.2:0/"),
            ("LOCATION", "http://239.255.255.250/"),
            ("LOCATION", "http://user@10.77.0.2/"), ("LOCATION", "http://10.77.0.2/\u{0D}"), ("LOCATION", nil),
            ("USN", nil),
            ("ST", "upnp:rootdevice"), ("ST", nil),
        ] as [(String, String?)])
    func answersRefused(name: String, value: String?) {
        #expect(SSDPCandidates.candidate(answer([name: value]), from: source, on: lan) == nil)
    }

    @Test("a goodbye is one, an unknown kind of announcement is nothing")
    func announcements() throws {
        func notify(_ nts: String) -> Candidate? {
            var message = answer(["ST": nil, "NT": UPnPDevice.deviceType, "NTS": nts])
            message.startLine = .notify
            return SSDPCandidates.candidate(message, from: source, on: lan)
        }
        #expect(notify("ssdp:byebye")?.isGoodbye == true && notify("ssdp:byebye")?.endpoint == nil)
        #expect(notify("ssdp:alive")?.isGoodbye == false && notify("ssdp:alive")?.endpoint != nil)
        #expect(notify("ssdp:other") == nil)
    }

    @Test("one source can make 64 claims in a while, others are still heard")
    func inbox() {
        var inbox = FinderInbox()
        var count = 0
        for _ in 0..<10_000 {
            count += inbox.take(answer(["USN": "uuid:\(NodeID.random())::x"]), from: source, on: lan).count
        }
        let other = inbox.take(answer(["LOCATION": "http://10.77.0.3:8080/"]), from: .v4(0x0A4D_0003), on: lan)
        #expect(other.count == 1 && count >= 64 && count <= 64 * 10)
        #expect(inbox.observations.wasFlooded && inbox.observations.ssdpHosts.count == 2)
    }

    @Test("claims in a host's name from thousands of ports leave it one at the usual port")
    func ownClaim() {
        var inbox = FinderInbox()
        for port in 1000..<2000 {
            _ = inbox.take(answer(["LOCATION": "http://10.77.0.2:\(port)/"]), from: source, on: lan)
        }
        let own = inbox.take(answer(["LOCATION": "http://10.77.0.2:8022/"]), from: source, on: lan)
        #expect(own.map(\.endpoint?.httpPort) == [8022])
        #expect(inbox.take(answer(["LOCATION": "http://10.77.0.2:8022/x"]), from: source, on: lan).isEmpty)
    }

    @Test("invented hosts by the thousand keep out no host that the machine knows")
    func neighbours() {
        var inbox = FinderInbox()
        let known = IPAddress.v4(0x0A4D_FF03)
        func claim(_ source: IPAddress) -> Int {
            inbox.take(answer(["LOCATION": "http://\(source):8022/"]), from: source, on: lan).count
        }
        for number in 0..<5000 { _ = claim(.v4(0x0A4D_1000 + UInt32(number))) }
        #expect(inbox.turnsAway(known) && claim(known) == 0)
        inbox.neighbours = [known]
        #expect(!inbox.turnsAway(known) && claim(known) == 1)
    }

    @Test("the original's description gives name, id and port; damaged ones are refused")
    func originalDescription() throws {
        func result(_ body: String, status: Int = 200) throws -> VerificationResult {
            let answer = HTTPAnswer(status: status, body: Array(body.utf8), roundTrip: .zero)
            return try VerificationResult(description: answer, httpPort: 80)
        }
        let text = """
            <root xmlns="urn:schemas-upnp-org:device-1-0"><device><friendlyName>CMU Cloudlet Service</friendlyName>
            <UDN>uuid:\(id)</UDN><serviceList><service><serviceType>urn:schemas-upnp-org:service:port:9021</serviceType>
            </service></serviceList></device></root>
            """
        let good = try result(text)
        #expect(good.synthesisPort == 9021 && good.id == NodeID(id) && good.name == "CMU Cloudlet Service")
        for body in ["", "<root/>", "<root><device/></root>", String(text.dropLast(10))] {
            #expect(throws: CloudletError.self) { try result(body) }
        }
        #expect(throws: CloudletError.self) { try result(text, status: 404) }
    }

    @Test("a node must be who it was announced as, say so, and have its synthesis port open")
    func verification() async throws {
        let server = try #require(Listener())
        let open = try #require(Listener())
        let id = NodeID.random()
        func verify(_ answer: String, expecting id: NodeID?) async throws -> VerificationResult {
            let endpoint = NodeEndpoint(
                address: .v4(0x7F00_0001), interface: 0, httpPort: server.port, synthesisPort: open.port)
            async let served = server.next(answering: answer)
            let result = await Result { try await Verification.run(endpoint, expecting: id) }
            #expect(await served.hasPrefix("GET /v1/node HTTP/1.0"))
            return try result.get()
        }
        func status(_ port: UInt16) throws -> String {
            let record = NodeRecord(id: id, name: "n", synthesisPort: port, httpPort: 1)
            return String(decoding: try JSONEncoder().encode(NodeStatus(record)), as: UTF8.self)
        }
        let result = try await verify(status(open.port), expecting: id)
        #expect(result.id == id && result.synthesisPort == open.port && result.httpPort == server.port)
        #expect(try await verify(status(open.port), expecting: nil).id == id)
        for (answer, expected) in [
            (try status(open.port), NodeID.random()), (try status(1), id), ("{}", id), ("{\"id\":", id), ("", id),
            (String(repeating: "x", count: 300_000), id),
        ] {
            await #expect(throws: CloudletError.self) { try await verify(answer, expecting: expected) }
        }
    }

    @Test("found nodes are remembered, last first, and a damaged memory is none")
    func memory() throws {
        let scratch = try ScratchDirectory()
        let known = KnownNodes(in: scratch.file("state"))
        #expect(known.read().isEmpty)
        func node(_ id: NodeID, _ address: String) -> FoundNode {
            FoundNode(
                key: id.description, name: "n", address: address, addresses: [address], synthesisPort: 8021,
                httpPort: 8080,
                origins: [.ssdp], roundTripMilliseconds: 1, status: nil)
        }
        let ids = (0..<70).map { _ in NodeID.random() }
        for id in ids { try known.remember([node(id, "10.77.0.2")]) }
        #expect(known.read().map(\.id) == ids.reversed().prefix(64).map(\.description))
        try known.remember([node(ids[69], "fe80::1%eth0")])
        #expect(known.read().count == 64 && known.read().first?.interface == "eth0")
        #expect(known.candidates(on: [lan]).first?.endpoint?.interface == 2)
        #expect(known.candidates(on: []).count == 63)
        let path = scratch.file("state").appending("known-nodes.json")
        try FileSystem.remove(path)
        try File(path, .create(permissions: 0o600)).write(Array("[{\"id\":".utf8).span, at: 0)
        #expect(known.read().isEmpty)
    }

    @Test("a node id is kept; a directory copied to another machine gets a new one (C03)")
    func nodeID() throws {
        let scratch = try ScratchDirectory()
        let first = try NodeID.kept(in: scratch.path, machine: "m1")
        #expect(try NodeID.kept(in: scratch.path, machine: "m1") == first)
        let second = try NodeID.kept(in: scratch.path, machine: "m2")
        #expect(second != first)
        #expect(try NodeID.kept(in: scratch.path, machine: "m2") == second)
        let bytes = try File(scratch.file("node-id"), .read).read(4096, at: 0)
        let copy = scratch.file("copy")
        try Directory.create(copy)
        try File(copy.appending("node-id"), .create(permissions: 0o600)).write(bytes.span, at: 0)
        #expect(try NodeID.kept(in: copy, machine: "m2") != second)
        #expect(try NodeID.kept(in: scratch.path, machine: "m2") == second)
        try File(scratch.file("node-id"), .readWrite).resize(to: 5)
        #expect(try NodeID.kept(in: scratch.path, machine: "m2") != second)
        for text in ["", "x", "2c975b02-6da1-45ae-81f8-b3517033645", "2c975b02-6da1-45ae-81f8-b35170336455\n"] {
            #expect(NodeID(text) == nil)
        }
    }

    @Test("a search without result is explained by what was seen")
    func diagnosis() {
        var seen = FinderInbox.Observations()
        func first(_ reason: String? = nil) -> String {
            let claims = reason.map { [UnverifiedNode(address: "10.77.0.2", name: "n", reason: $0)] } ?? []
            return FinderDiagnosis.hints(
                observations: seen, interfaces: [lan], unverified: claims, options: FinderOptions())[0].finding
        }
        #expect(first().contains("nothing could be sent"))
        seen.sent = 9
        #expect(first().contains("not even other devices"))
        seen.ssdpHosts = [source]
        #expect(first().contains("1 other host on eth0 answered, but no node"))
        #expect(first("closed\u{1B}[2J").contains("10.77.0.2 was announced as a node"))
        #expect(!first("closed\u{1B}[2J").contains("\u{1B}"))
        seen.failures = ["can't send"]
        #expect(first() == "can't send")
    }

    @Test("a status document from a stranger is checked and cut")
    func status() throws {
        let record = NodeRecord(
            id: .random(), name: String(repeating: "n", count: 9999), httpPort: 8080,
            bases: (0..<3000).map { HeldBase(hash: SHA256Digest(words: ($0, 0, 0, 0)), name: "b") },
            bootableBases: (0..<3000).map { HeldBase(hash: SHA256Digest(words: ($0, 1, 0, 0)), name: "b") },
            features: (0..<100).map { "f\($0)" })
        var status = NodeStatus(record)
        status.name = String(repeating: "n", count: 9999)
        let read = try #require(status.record(httpPort: 8080))
        #expect(read.name.utf8.count == 255 && read.bases.count == 1000 && read.features.count == 32)
        #expect(read.bootableBases.count == 1000 && read.bootableBases.first == record.bootableBases.first)
        for spoil in [
            { $0.id = "x" }, { $0.synthesisPort = 70000 }, { $0.synthesisPort = 0 }, { $0.load = -1 },
            { $0.load = .nan },
            { $0.freeMemory = -1 }, { $0.sessions = -5 },
        ] as [(inout NodeStatus) -> Void] {
            var spoiled = status
            spoil(&spoiled)
            #expect(spoiled.record(httpPort: 1) == nil)
        }
        status.bases = [NodeStatus.Base(hash: "zz", name: "b")]
        status.bootableBases = status.bases
        #expect(status.record(httpPort: 1)?.bases.isEmpty == true)
        #expect(status.record(httpPort: 1)?.bootableBases.isEmpty == true)
        // Documents of nodes that can boot nothing, or know nothing of it, have no such key.
        let document = try JSONEncoder().encode(NodeStatus(NodeRecord(id: .random(), name: "n", httpPort: 1)))
        #expect(!String(decoding: document, as: UTF8.self).contains("boot"))
        #expect(try JSONDecoder().decode(NodeStatus.self, from: document).record(httpPort: 1)?.bootableBases == [])
    }
}

extension Verification {
    /// Runs one to its end.
    static func run(_ endpoint: NodeEndpoint, expecting id: NodeID?) async throws -> VerificationResult {
        try await blocking { () throws(CloudletError) in
            let poller = try Poller()
            let job = VerificationJob(key: id.map { .id($0) } ?? .address(endpoint.address), endpoint: endpoint)
            let verification = Verification(job, deadline: .now + .seconds(2), poller: poller, number: 2)
            while verification.result == nil {
                for ready in poller.wait(until: verification.deadline) { verification.proceed(with: ready.number) }
                if verification.deadline <= .now { verification.expire() }
            }
            return try (verification.result ?? .failure(CloudletError(.defect, "no result"))).get()
        }
    }
}

extension Result where Failure == any Error {
    /// How `body` ends.
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
