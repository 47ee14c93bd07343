// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Synchronization
import Testing

@testable import CloudletSession

/// Metas that are as large as they may be.
@Suite(.serialized, .timeLimit(.minutes(1))) struct MetaMemoryTests {
    let service: TestService
    init() throws { service = try TestService() }

    private static func meta(blobs: Int, name: String = "b") -> OverlayMeta {
        OverlayMeta(
            baseHash: SHA256Digest(hashing: [1].span), diskSize: 1 << 20, memorySize: 1 << 20,
            blobs: (0..<blobs).map { .init(name: "\(name)\($0)", size: 32, diskChunks: [], memoryChunks: []) })
    }

    /// Sends a meta; whether it is accepted.
    private static func send(
        _ meta: [UInt8], _ port: UInt16, from source: String
    ) async throws -> (raw: RawClient, refusal: String?) {
        let session = try await RawClient.createSession(port, from: source)
        let raw = try await RawClient(port, from: source)
        try await raw.send(Frame.encode(ClientMessage.sendMeta(.init(size: meta.count, session: session)).value) + meta)
        guard case .fail(let reason, _) = try ServerMessage(try await raw.receiveMessage()) else { return (raw, nil) }
        return (raw, reason)
    }

    @Test("large metas of all sessions share a budget, and an address a quarter of it; small ones always pass")
    func budget() async throws {
        let large = Self.meta(blobs: 20_000)
        let size = large.memoryBytes
        #expect(size > MetaBudget.ordinaryMeta && size < 4 << 20)
        let bytes = large.encoded()
        let small = Self.meta(blobs: 3).encoded()
        // So that nothing that is counted fits beside eight of them, or beside two of one address.
        try await service.run({ $0.heldMetas = size * 8 }) { [backend = service.backend] _, port in
            var held: [RawClient] = []
            for index in 0..<8 {
                let (raw, refusal) = try await Self.send(bytes, port, from: "127.0.0.\(2 + index / 2)")
                #expect(refusal == nil)
                held.append(raw)
                guard index == 1 else { continue }
                #expect(try await Self.send(bytes, port, from: "127.0.0.2").refusal != nil, "more than a quarter")
            }
            for source in ["127.0.0.2", "127.0.0.9"] {
                let (_, refusal) = try await Self.send(bytes, port, from: source)
                #expect(refusal?.hasPrefix("large overlay-metas of other sessions are in use") == true)
                #expect(try await Self.send(small, port, from: source).refusal == nil)
            }
            // With its session ends what a meta took.
            held.removeAll()
            try await until(10, "sessions stay") { backend.state.withLock(\.places) == 0 }
            #expect(try await Self.send(bytes, port, from: "127.0.0.9").refusal == nil)
        }
    }

    @Test("a meta is counted until its session has ended, however long the session is known")
    func ended() throws {
        let metas = MetaBudget.parsedMetas(limit: 1 << 30)
        let meta = Self.meta(blobs: 20_000)
        let session = Session(id: SessionID(1), client: "a")
        do {
            let holding = try #require(metas.take(meta, for: "a"))
            #expect(session.begin(meta: SHA256Digest(hashing: [1].span), holding: holding))
        }
        #expect(metas.bytes == meta.memoryBytes)
        session.requestEnd(.finished)
        #expect(metas.bytes == meta.memoryBytes)
        session.end()
        #expect(metas.bytes == 0)
    }

    @Test("what large metas took is given back to the system")
    func givenBack() async {
        await #expect(processExitsWith: .success) {
            let metas = MetaBudget.parsedMetas(limit: 1 << 30)
            let before = try resident()
            var most = 0
            do {
                let bytes = Self.meta(blobs: 50_000, name: "a-name-of-more-than-fifteen-bytes-").encoded()
                var held: [(OverlayMeta, MetaBudget.Account)] = []
                // What stays in between, as sessions that go on do, keeps glibc from shrinking its heaps by itself.
                var others: [[UInt8]] = []
                for client in 0..<4 {
                    let meta = try await MetaReading.read(bytes).meta
                    held.append((meta, try #require(metas.take(meta, for: "\(client)"))))
                    others.append([UInt8](repeating: 1, count: 300))
                }
                #expect(metas.bytes > 30 << 20)
                most = try resident() - before
                held.removeAll()
                #expect(others.count == 4)
            }
            #expect(metas.bytes == 0)
            let limit = most / 3
            try await until(20, "of \(most) MiB more than \(limit) are kept") { try resident() - before < limit }
        }
    }

    @Test("a large meta keeps neither small ones waiting nor the threads for all")
    func reading() async throws {
        // Chunk numbers are what costs most for a byte; the last one is wrong.
        var meta = Self.meta(blobs: 1)
        meta.diskSize = 1 << 40
        meta.blobs[0].size = 64
        meta.blobs[0].diskChunks = (0..<150_000).map { UInt32($0) } + [7]
        let (large, small) = (meta.encoded(), Self.meta(blobs: 3).encoded())
        let clock = ContinuousClock()
        let start = clock.now
        // Enough to keep all threads busy. The first small ones may get in before them, the others don't.
        let slow = (0..<2 * Processors.count).map { _ in Task { try await MetaReading.read(large) } }
        for _ in 0..<20 {
            _ = try await MetaReading.read(small)
            // Behind whatever waits for the threads for all.
            await Task.yield()
        }
        let time = clock.now - start
        for task in slow {
            let error = await #expect(throws: CloudletError.self) { _ = try await task.value }
            #expect(error?.code == .badData)
        }
        let whole = clock.now - start
        #expect(time < .milliseconds(100) || time < whole / 2, "\(time) of \(whole)")
    }

    @Test("metas that wait are counted until they were read; one address holds a quarter, small ones pass")
    func unread() {
        let budget = MetaBudget.unreadMetas(limit: 4 << 20)
        let accounts = (0..<4).map { budget.account(for: "\($0)") }
        for account in accounts { #expect(account.hold(1 << 20)) }
        #expect(!budget.account(for: "0").hold(1 << 20))
        let other = budget.account(for: "5")
        #expect(other.hold(64 << 10) && other.hold(300 << 10) == true)
        #expect(!other.hold(2 << 20) && other.hold(0) && accounts[1].hold(0) && other.hold(900 << 10))
        // Each of the bounds by itself: a quarter for an address, and the whole for all.
        let fresh = MetaBudget.unreadMetas(limit: 4 << 20)
        let (first, second) = (fresh.account(for: "0"), fresh.account(for: "0"))
        #expect(first.hold(900 << 10) && !second.hold(900 << 10) && second.hold(0))
        let more = (1..<5).map { fresh.account(for: "\($0)") }
        #expect(more.map { $0.hold(1 << 20) } == [true, true, true, false])
    }
}

/// Resident memory in MiB.
private func resident() throws -> Int { try #require(ProcessFigures.current()).residentBytes >> 20 }
