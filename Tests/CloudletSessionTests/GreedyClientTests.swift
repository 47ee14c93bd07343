// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Synchronization
import Testing

@testable import CloudletSession

/// Clients that would take what others need: connections, sessions, the server's patience.
@Suite(.serialized, .timeLimit(.minutes(1))) struct GreedyClientTests {
    let service: TestService
    init() throws { service = try TestService() }

    @Test("a client that reads nothing of what it asked for loses its connection")
    func neverReads() async throws {
        try await service.run({
            $0.idleTimeout = .milliseconds(500)
            $0.closeTimeout = .milliseconds(200)
            $0.connections = 1
        }) { _, port in
            let raw = try await RawClient(port)
            let question = Frame.encode(ClientMessage.resourceInfo.value)
            try await raw.send(Array((0..<60_000).lazy.map { _ in question }.joined()))
            #expect(
                try await poll(every: .milliseconds(100), for: .seconds(60)) { () async throws(CloudletError) in
                    (try? await RawClient.createSession(port)) != nil
                }, "its place was not given back")
            _ = raw
        }
    }

    @Test("bytes after the last word keep a connection open only so long")
    func trickle() async throws {
        try await service.run({
            $0.idleTimeout = .seconds(1)
            $0.closeTimeout = .milliseconds(500)
        }) { _, port in
            let raw = try await RawClient(port)
            try await raw.send([0xFF, 0xFF, 0xFF, 0xFF])
            guard case .fail = try ServerMessage(try await raw.receiveMessage()) else {
                Issue.record("no failure")
                return
            }
            #expect(
                try await poll(every: .milliseconds(50), for: .seconds(60)) { () async throws(CloudletError) in
                    do { try await raw.send([0]) } catch { return true }
                    return false
                }, "it goes on for ever")
        }
    }

    @Test("one address has only so many connections, and is told")
    func connections() async throws {
        try await service.run({ $0.connectionsPerClient = 2 }) { _, port in
            let held = [try await RawClient(port), try await RawClient(port)]
            let refused = try await RawClient(port)
            try await refused.send(Frame.encode(ClientMessage.createSession.value))
            guard case .fail(let reason, _) = try ServerMessage(try await refused.receiveMessage()) else {
                Issue.record("not refused")
                return
            }
            #expect(reason.contains("too many connections from 127.0.0.1"))
            #expect(try await refused.receive(1) == [])
            _ = held
        }
    }

    @Test("one address has only so many unused sessions; the oldest makes room")
    func sessions() async throws {
        try await service.run { server, port in
            let first = try await RawClient.createSession(port)
            for _ in 0..<64 { _ = try await RawClient.createSession(port) }
            let live = await server.table.statuses().map(\.id)
            #expect(live.count == 64 && !live.contains(first))
        }
    }

    @Test("a session whose overlay is being fetched is in use, however long that takes, and by one fetch only")
    func fetching() async throws {
        var limits = SessionTable.Limits()
        limits.unused = .zero
        let table = SessionTable(limits: limits)
        let session = try await table.create(client: "a")
        #expect(session.beginFetch() && !session.beginFetch())
        #expect(await table.session(session.id) != nil)
        #expect(await table.statuses().count == 1)
        session.endFetch()
        #expect(await table.statuses().isEmpty)
        #expect(session.status.stage.isEnded)
    }

    @Test("a client that left without a word after DONE is missed, and its lease begins")
    func vanishes() async throws {
        let overlay = try service.overlay()
        try await service.run({
            $0.unreachableTimeout = .seconds(3)
            $0.lease = .milliseconds(200)
        }) { [backend = service.backend] _, port in
            let (_, raw) = try await RawClient.connectSession(port, overlay)
            // Longer than the lease, which has not begun.
            try await Task.sleep(for: .milliseconds(500))
            #expect(backend.state.withLock(\.running) == 1)
            raw.vanish()
            #expect(
                try await poll(every: .milliseconds(100), for: .seconds(60)) { () async throws(CloudletError) in
                    backend.state.withLock(\.running) == 0
                })
        }
    }
}
