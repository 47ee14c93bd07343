// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Logging
import Synchronization
import Testing

@testable import CloudletSession

/// Clients that want so much at once that nothing would be left for others.
@Suite(.serialized, .timeLimit(.minutes(1))) struct FloodTests {
    let service: TestService
    init() throws { service = try TestService() }

    private static let question = Frame.encode(ClientMessage.resourceInfo.value)

    @Test("connections that ask without waiting for answers are slowed down, and nobody else")
    func pipelining() async throws {
        service.backend.state.withLock { $0.effort = .milliseconds(20) }
        try await service.run({
            $0.conversation.unanswered = 10_000
            $0.commandRate = .init(perSecond: 4, burst: 8)
            $0.addressRate = .init(perSecond: 8, burst: 24)
        }) { [backend = service.backend] _, port in
            let questions = Array((0..<3000).lazy.map { _ in Self.question }.joined())
            var greedy: [RawClient] = []
            for _ in 0..<4 {
                let raw = try await RawClient(port)
                try await raw.send(questions)
                greedy.append(raw)
            }
            try await until(10, "nothing is answered") { backend.state.withLock(\.asked) > 8 }
            // Another address, and whatever else runs on the common threads, goes on as if nothing were.
            let clock = ContinuousClock()
            for _ in 0..<5 {
                #expect(try await clock.measure { try await Task.sleep(for: .milliseconds(20)) } < .seconds(1))
                let time = try await clock.measure { _ = try await RawClient.createSession(port, from: "127.0.0.2") }
                #expect(time < .seconds(2), "\(time)")
            }
            #expect(backend.state.withLock(\.asked) < 200)
            _ = greedy
        }
    }

    @Test("one connection alone has a rate of its own; all of an address have one together")
    func rates() async throws {
        try await service.run({
            $0.commandRate = .init(perSecond: 10, burst: 4)
            $0.addressRate = .init(perSecond: 1000, burst: 1000)
        }) { _, port in
            let raw = try await RawClient(port)
            let time = try await ContinuousClock().measure {
                try await raw.send(Array((0..<14).lazy.map { _ in Self.question }.joined()))
                for _ in 0..<14 { _ = try await raw.receiveMessage() }
            }
            // The connection itself takes a unit too.
            #expect(time > .milliseconds(1000), "\(time)")
        }
        try await service.run({ $0.addressRate = .init(perSecond: 20, burst: 4) }) { _, port in
            let time = try await ContinuousClock().measure {
                for _ in 0..<8 { _ = try await RawClient.createSession(port) }
            }
            #expect(time > .milliseconds(500), "\(time)")
        }
    }

    @Test("who sends commands by the hundred without reading is told to wait for the answers")
    func tooMany() async throws {
        try await service.run { _, port in
            let raw = try await RawClient(port)
            try await raw.send(Array((0..<3000).lazy.map { _ in Self.question }.joined()))
            while true {
                guard case .fail(let reason, _) = try ServerMessage(try await raw.receiveMessage()) else { continue }
                #expect(reason == "more than 128 commands at once; wait for the answers")
                return
            }
        }
    }

    @Test("idle connections of two addresses leave a third its place; one that speaks for a session stays")
    func lockedOut() async throws {
        let overlay = try service.overlay()
        try await service.run({ $0.connections = 6 }) { [backend = service.backend] _, port in
            let (_, working) = try await RawClient.connectSession(port, overlay)
            var idle: [RawClient] = []
            for source in ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3", "127.0.0.2"] {
                let one = try await RawClient(port, from: source)
                // It has its place once it is answered.
                try await one.send(Self.question)
                _ = try await one.receiveMessage()
                idle.append(one)
            }
            _ = try await RawClient.createSession(port, from: "127.0.0.4")
            #expect(try await idle[0].receive(1) == [], "the oldest of the greediest stays")
            for _ in 0..<2 { _ = try await RawClient.createSession(port, from: "127.0.0.4") }
            #expect(backend.state.withLock(\.running) == 1)
            _ = (working, idle)
        }
    }

    @Test("unused sessions of many addresses leave another address its own")
    func unusedSessions() async throws {
        var limits = SessionTable.Limits()
        limits.sessions = 12
        limits.unusedPerClient = 4
        let table = SessionTable(limits: limits)
        var greedy: [Session] = []
        for client in ["a", "b", "c"] {
            for _ in 0..<4 { greedy.append(try await table.create(client: client)) }
        }
        #expect(greedy[4].begin(meta: SHA256Digest(hashing: [1].span)))
        let first = try await table.create(client: "d")
        let second = try await table.create(client: "e")
        for session in [first, second, greedy[4]] { #expect(await table.session(session.id) != nil) }
        #expect(await table.statuses().count == 12)
        // Who has as many as anybody else takes nothing from others.
        for session in greedy { if session.isUnused { _ = session.begin(meta: SHA256Digest(hashing: [2].span)) } }
        _ = try? await table.create(client: "d")
        let error = await #expect(throws: CloudletError.self) {
            for _ in 0..<3 { _ = try await table.create(client: "d") }
        }
        #expect(error?.code == .busy)
    }

    @Test("a listener accepts no more than the gate lets in, and goes on when there is room again")
    func acceptLimit() async throws {
        let gate = AcceptGate(limit: 4)
        let listener = try await SessionServer.bind(address: "127.0.0.1", port: 0, gate: gate)
        var clients: [RawClient] = []
        for _ in 0..<40 { clients.append(try await RawClient(listener.port)) }
        try await until(10, "nobody is accepted") { gate.open >= 4 }
        let taken = gate.open
        #expect(taken <= 4 + 16, "\(taken)")
        var served: [SessionListener.Connection] = []
        while served.count < 40 {
            let connection = try #require(try await listener.next())
            served.append(connection)
            #expect(gate.open <= 4 + 16)
            await SessionListener.refuse(connection)
        }
        for client in clients { #expect(try await client.receive(1) == []) }
        await listener.close()
    }
}
