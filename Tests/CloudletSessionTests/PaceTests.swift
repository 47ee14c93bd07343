// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Synchronization
import Testing

/// Clients that are too slow, on purpose or not.
@Suite(.serialized, .timeLimit(.minutes(1))) struct PaceTests {
    let service: TestService
    init() throws { service = try TestService() }

    /// Sends one byte every 50 ms until the server has had enough.
    private func drip(_ raw: RawClient, _ bytes: [UInt8]) async throws -> String {
        for byte in bytes {
            do { try await raw.send([byte]) } catch { break }
            try await Task.sleep(for: .milliseconds(50))
        }
        guard case .fail(let reason, _) = try ServerMessage(try await raw.receiveMessage()) else { return "no failure" }
        return reason
    }

    @Test("a message that comes drop by drop is not waited for, although something comes all the time")
    func slowMessage() async throws {
        try await service.run({ $0.idleTimeout = .seconds(2) }) { _, port in
            let raw = try await RawClient(port)
            let reason = try await drip(raw, [0, 0, 0x10, 0] + [UInt8](repeating: 0xC0, count: 60))
            #expect(reason.contains("no complete message arrived within 2.0 s"), "\(reason)")
        }
    }

    @Test("a transfer below the minimum rate is ended, one above it is not")
    func slowTransfer() async throws {
        let overlay = try service.overlay()
        try await service.run({
            $0.idleTimeout = .seconds(2)
            $0.minimumRate = 100
        }) { [backend = service.backend] _, port in
            let session = try await RawClient.createSession(port)
            let raw = try await RawClient(port)
            let meta = ClientMessage.SendMeta(size: overlay.metaBytes.count, session: session)
            try await raw.send(Frame.encode(ClientMessage.sendMeta(meta).value) + overlay.metaBytes)
            _ = try await raw.receiveMessage()
            _ = try await raw.receiveMessage()
            let blob = ClientMessage.sendOverlay(name: "b0.xz", size: overlay.meta.blobs[0].size, session: session)
            try await raw.send(Frame.encode(blob.value))
            // 1000 bytes a second for more than one window: fine.
            for _ in 0..<50 {
                try await raw.send([UInt8](repeating: 0, count: 50))
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(backend.state.withLock { $0.cancelled == 0 && $0.places == 1 })
            let reason = try await drip(raw, [UInt8](repeating: 0, count: 120))
            #expect(reason.contains("fewer than 100 bytes a second"), "\(reason)")
            #expect(
                try await poll(every: .milliseconds(20), for: .seconds(60)) { () async throws(CloudletError) in
                    backend.state.withLock { $0.cancelled == 1 && $0.places == 0 }
                })
        }
    }

    @Test("metas that are announced and held back by many connections are bounded together")
    func metas() async throws {
        try await service.run({ $0.bufferedMetas = 1 << 20 }) { _, port in
            let session = try await RawClient.createSession(port)
            let meta = ClientMessage.SendMeta(size: 4 << 20, session: session)
            let first = try await RawClient(port)
            try await first.send(
                Frame.encode(ClientMessage.sendMeta(meta).value) + [UInt8](repeating: 0, count: 900 << 10))
            // The server reads them, which nothing shows.
            try await Task.sleep(for: .milliseconds(500))
            let second = try await RawClient(port)
            try await second.send(
                Frame.encode(ClientMessage.sendMeta(meta).value) + [UInt8](repeating: 0, count: 400 << 10))
            guard case .fail(let reason, _) = try ServerMessage(try await second.receiveMessage()) else {
                Issue.record("no failure")
                return
            }
            #expect(reason.contains("too many overlay-metas"))
        }
    }
}
