// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@testable import CloudletDiscovery
@testable import CloudletFinding
@testable import CloudletNetwork

@Suite struct CatalogueTests {
    private let id: NodeID
    private let now = ContinuousClock.now

    init() throws { id = try #require(NodeID("2c975b02-6da1-45ae-81f8-b35170336455")) }

    private func candidate(
        _ origin: DiscoveryOrigin, _ address: String, id: NodeID? = nil, http: UInt16? = 8080
    ) throws -> Candidate {
        Candidate(
            origin: origin, id: id, name: "n",
            endpoint: NodeEndpoint(
                address: try #require(IPAddress(address)), interface: 2, httpPort: http, synthesisPort: 8021))
    }

    private func result(_ milliseconds: Int, load: Double = 0.5, id: NodeID? = nil) -> Result<
        VerificationResult, CloudletError
    > {
        let record = NodeRecord(id: id ?? self.id, name: "Node", httpPort: 8080, load: load)
        return .success(
            VerificationResult(
                id: id ?? self.id, name: "Node", synthesisPort: 8021, roundTrip: .milliseconds(milliseconds),
                status: NodeStatus(record)))
    }

    private let failure = Result<VerificationResult, CloudletError>.failure(CloudletError(.unavailable, "closed"))

    @Test("a node is reported when it is verified, once, however often and wherever it is seen (X05)")
    func merging() throws {
        var catalogue = NodeCatalogue(interfaceNames: [2: "eth0"])
        #expect(try catalogue.take(candidate(.ssdp, "10.0.0.1", id: id), at: now).isEmpty)
        #expect(try catalogue.take(candidate(.mdns, "10.0.0.1", id: id), at: now).isEmpty)
        #expect(try catalogue.take(candidate(.mdns, "fe80::1", id: id), at: now).isEmpty)
        // The second address waits for the first, but not for long.
        let first = try #require(catalogue.jobs().first)
        #expect(catalogue.jobs().isEmpty && !catalogue.isIdle)
        let events = catalogue.finish(first, result(3), at: now)
        guard case .found(let node) = events.first, events.count == 1 else {
            Issue.record("no node reported")
            return
        }
        #expect(node.key == id.description && node.origins == [.mdns, .ssdp] && node.address == "10.0.0.1")
        let second = try #require(catalogue.jobs().first)
        guard case .updated(let both) = catalogue.finish(second, result(1), at: now).first else {
            Issue.record("second address not reported")
            return
        }
        #expect(both.addresses == ["fe80::1%eth0", "10.0.0.1"] && both.roundTripMilliseconds == 1)
        #expect(try catalogue.take(candidate(.ssdp, "10.0.0.1", id: id), at: now).isEmpty && catalogue.isIdle)
    }

    @Test("an address that does not answer keeps the others of its node waiting for a moment only")
    func deadAddress() throws {
        var catalogue = NodeCatalogue()
        for address in ["10.0.0.1", "10.0.0.2"] { _ = try catalogue.take(candidate(.mdns, address, id: id), at: now) }
        #expect(catalogue.jobs().count == 1 && catalogue.nextTick.map { $0 <= now + .milliseconds(20) } == true)
        catalogue.tick(at: now + .milliseconds(19))
        #expect(catalogue.jobs().isEmpty)
        catalogue.tick(at: now + .milliseconds(20))
        #expect(catalogue.jobs().map(\.endpoint.address.description) == ["10.0.0.2"])
    }

    @Test("who claims much keeps nobody waiting, and hosts the machine knows come first")
    func fairness() throws {
        var catalogue = NodeCatalogue()
        func claim(_ address: UInt32, from source: UInt32) {
            let endpoint = NodeEndpoint(address: .v4(address), interface: 2, httpPort: 80, synthesisPort: 1)
            let candidate = Candidate(origin: .ssdp, id: .random(), endpoint: endpoint, source: .v4(source))
            _ = catalogue.take(candidate, at: now)
        }
        for number in 0..<1000 { claim(0x0A01_0000 + UInt32(number), from: 0x0A00_0009) }
        claim(0x0A00_0001, from: 0x0A00_0001)
        let first = catalogue.takeJobs()
        #expect(first.count == NodeCatalogue.maximumActive && first.allSatisfy(\.isInDoubt))
        #expect(first.prefix(2).contains { $0.job.endpoint.address == .v4(0x0A00_0001) })
        catalogue.trust([.v4(0x0A01_0300)])
        for entry in first.prefix(1) { _ = catalogue.finish(entry.job, failure, at: now) }
        let next = catalogue.takeJobs()
        #expect(next.map(\.job.endpoint.address) == [.v4(0x0A01_0300)] && next.allSatisfy { !$0.isInDoubt })
    }

    @Test("what can't be verified is never reported, and the reason kept")
    func refuted() throws {
        var catalogue = NodeCatalogue()
        _ = try catalogue.take(candidate(.mdns, "10.0.0.1", id: id), at: now)
        let job = try #require(catalogue.jobs().first)
        #expect(catalogue.finish(job, failure, at: now).isEmpty)
        #expect(!catalogue.hasFound && catalogue.unverified.map(\.reason) == ["closed"])
        // A new sighting is a reason to try again.
        _ = try catalogue.take(candidate(.mdns, "10.0.0.1", id: id), at: now)
        #expect(catalogue.jobs() == [job])
    }

    @Test("a node is lost after two failures, found again when it answers; a false goodbye changes nothing")
    func watching() throws {
        var catalogue = NodeCatalogue(checkInterval: .seconds(5))
        _ = try catalogue.take(candidate(.mdns, "10.0.0.1", id: id), at: now)
        let job = try #require(catalogue.jobs().first)
        _ = catalogue.finish(job, result(1), at: now)
        catalogue.tick(at: now + .seconds(4))
        #expect(catalogue.jobs().isEmpty)
        catalogue.tick(at: now + .seconds(6))
        #expect(catalogue.jobs() == [job] && catalogue.finish(job, result(1, load: 0.5), at: now).isEmpty)
        guard case .updated = catalogue.change(job, result(1, load: 0.9), now) else {
            Issue.record("no update reported")
            return
        }

        let goodbye = Candidate(origin: .ssdp, id: id, isGoodbye: true)
        #expect(catalogue.take(goodbye, at: now).isEmpty)
        catalogue.tick(at: now + .milliseconds(200))
        #expect(catalogue.jobs().isEmpty)
        catalogue.tick(at: now + .milliseconds(400))
        #expect(catalogue.jobs() == [job] && catalogue.finish(job, result(1, load: 0.9), at: now).isEmpty)

        _ = catalogue.take(goodbye, at: now)
        catalogue.tick(at: now + .seconds(1))
        #expect(catalogue.jobs() == [job] && catalogue.finish(job, failure, at: now).isEmpty)
        #expect(catalogue.jobs() == [job])
        guard case .lost(let lost) = catalogue.finish(job, failure, at: now).first else {
            Issue.record("not lost")
            return
        }
        #expect(lost.key == id.description && !catalogue.hasFound)
    }

    @Test("evidence without id is merged with the node that answers there")
    func withoutID() throws {
        var catalogue = NodeCatalogue()
        _ = try catalogue.take(candidate(.given, "10.0.0.1"), at: now)
        _ = try catalogue.take(candidate(.ssdp, "10.0.0.1", id: id), at: now)
        let jobs = catalogue.jobs()
        let events = jobs.flatMap { catalogue.finish($0, result(1), at: now) }
        #expect(events.filter { if case .found = $0 { true } else { false } }.count == 1)
        #expect(catalogue.found.map(\.key) == [id.description] && catalogue.found.first?.origins == [.given, .ssdp])
    }

    @Test("ten thousand false nodes neither fill the memory nor push out the real one")
    func flood() throws {
        var catalogue = NodeCatalogue()
        _ = try catalogue.take(candidate(.ssdp, "10.0.0.1", id: id), at: now)
        _ = catalogue.finish(try #require(catalogue.jobs().first), result(1), at: now)
        var most = 0
        for number in 0..<10_000 {
            var fake = try candidate(.ssdp, "10.1.0.1", id: .random())
            fake.endpoint?.address = .v4(0x0A01_0000 + UInt32(number))
            _ = catalogue.take(fake, at: now)
            most = max(most, catalogue.jobs().count)
        }
        #expect(catalogue.hasFound && most <= NodeCatalogue.maximumActive)
        #expect(catalogue.found.map(\.key) == [id.description])
    }

    @Test("a flood without end leaves no more to be verified than there are nodes, and none of those is lost")
    func endlessFlood() throws {
        var catalogue = NodeCatalogue()
        let addresses = (0..<30_000).map { IPAddress.v4(0x0A01_0000 + UInt32($0)) }
        for address in addresses {
            let endpoint = NodeEndpoint(address: address, interface: 2, httpPort: 8080, synthesisPort: 8021)
            let fake = Candidate(origin: .ssdp, id: .random(), name: "n", endpoint: endpoint, source: address)
            _ = catalogue.take(fake, at: now)
            #expect(catalogue.waiting <= 2 * NodeCatalogue.maximumNodes)
        }
        var verified: Set<IPAddress> = []
        while case let jobs = catalogue.jobs(), !jobs.isEmpty {
            for job in jobs {
                verified.insert(job.endpoint.address)
                _ = catalogue.finish(job, failure, at: now)
            }
        }
        #expect(verified.isSuperset(of: addresses.suffix(NodeCatalogue.maximumNodes)))
    }

    @Test("false places of a node don't keep out the one where it is", arguments: [false, true])
    func falsePlaces(haveFailed: Bool) throws {
        var catalogue = NodeCatalogue()
        let liar = IPAddress.v4(0x0A00_0009)
        for number in 1...20 {
            var claim = try candidate(.ssdp, "10.0.1.\(number)", id: id)
            claim.source = liar
            _ = catalogue.take(claim, at: now)
        }
        catalogue.tick(at: now + .milliseconds(20))
        if haveFailed { for job in catalogue.jobs() { _ = catalogue.finish(job, failure, at: now) } }
        var genuine = try candidate(.ssdp, "10.0.0.1", id: id)
        genuine.source = genuine.endpoint?.address
        _ = catalogue.take(genuine, at: now)
        catalogue.tick(at: now + .milliseconds(40))
        let job = try #require(catalogue.jobs().first { $0.endpoint == genuine.endpoint })
        _ = catalogue.finish(job, result(1), at: now)
        #expect(catalogue.found.map(\.address) == ["10.0.0.1"])
    }

    @Test("a node that moves often is found at each new address")
    func manyAddresses() throws {
        var catalogue = NodeCatalogue(checkInterval: .seconds(5))
        for number in 1...20 {
            // Others may tell of it: not every sighting comes from the node itself.
            _ = try catalogue.take(candidate(.mdns, "10.0.0.\(number)", id: id), at: now)
            catalogue.tick(at: now + .milliseconds(20))
            for job in catalogue.jobs() {
                _ = catalogue.finish(
                    job, job.endpoint.address == .v4(0x0A00_0000 + UInt32(number)) ? result(1) : failure, at: now)
            }
            #expect(catalogue.found.first?.addresses.contains("10.0.0.\(number)") == true)
            // The address before is given up.
            for round in 1...2 {
                catalogue.tick(at: now + .seconds(10 * round))
                for job in catalogue.jobs() { _ = catalogue.finish(job, failure, at: now) }
                for job in catalogue.jobs() { _ = catalogue.finish(job, failure, at: now) }
            }
            #expect(!catalogue.hasFound)
        }
    }

    @Test("nodes are ranked by base, round trip, load, memory")
    func ranking() {
        let base = SHA256Digest(words: (1, 2, 3, 4))
        func node(
            _ name: String, has: Bool = false, boots: Bool = false, trip: Double = 1, load: Double = 0,
            memory: Int = 1 << 30
        ) -> FoundNode {
            let held = [HeldBase(hash: base, name: "b")]
            let record = NodeRecord(
                id: .random(), name: name, httpPort: 1, bases: has ? held : [], bootableBases: boots ? held : [],
                load: load,
                freeMemory: ByteCount(memory))
            return FoundNode(
                key: name, name: name, address: "a", addresses: ["a"], synthesisPort: 1, httpPort: 1, origins: [],
                roundTripMilliseconds: trip, status: NodeStatus(record))
        }
        let nodes = [
            node("full", memory: 1 << 28), node("busy", load: 1), node("far", trip: 9),
            node("has, far", has: true, trip: 50),
            node("has", has: true, trip: 1.9), node("best"),
        ]
        #expect(
            FoundNode.ranked(nodes, wanting: base).map(\.name) == ["has", "has, far", "best", "full", "busy", "far"])
        #expect(FoundNode.ranked(nodes).first?.name == "best")
        // A node that can only boot the base VM comes before those without it, but only if that is allowed.
        let others = nodes + [node("boots", boots: true, trip: 99)]
        let allowed = FoundNode.ranked(others, wanting: base, allowingBoot: true).map(\.name)
        #expect(allowed.prefix(4) == ["has", "has, far", "boots", "best"])
        #expect(FoundNode.ranked(others, wanting: base).last?.name == "boots")
        #expect(others.last?.onlyBoots(base) == true && others.last?.holds(base) == false)
        #expect(FoundNode.ranked(others, allowingBoot: true).last?.name == "boots")
    }
}

extension NodeCatalogue {
    /// The verifications to start now.
    fileprivate mutating func jobs() -> [VerificationJob] { takeJobs().map(\.job) }

    /// Lets a further verification end with `result`.
    fileprivate mutating func change(
        _ job: VerificationJob, _ result: Result<VerificationResult, CloudletError>, _ now: ContinuousClock.Instant
    ) -> FinderEvent? {
        tick(at: now + .seconds(20))
        guard jobs() == [job] else { return nil }
        return finish(job, result, at: now).first
    }
}
