// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import Testing

@testable import CloudletSession

/// The sessions of one client that begin and end at the same time.
@Suite(.timeLimit(.minutes(1))) struct SessionTableTests {
    @Test("a client's new session does not wait for the connection of one that ends meanwhile, but for its VM")
    func endsMeanwhile() async throws {
        let (table, probed) = (SessionTable(), AsyncEvent())
        let backend = FakeBackend()
        let meta = SHA256Digest(hashing: [1].span)
        let session = try await table.create(client: "192.0.2.1")
        #expect(session.begin(meta: meta))
        let permit = try ConnectionShares().acquire(from: "192.0.2.1", total: 1, perSource: 1) {}
        let peer = Session.Peer(permit: permit, reconnects: false) { if $0 { probed.set() } }
        #expect(session.attach(peer) != nil && session.admit() && session.run(FakeVM(backend, "192.0.2.9")))
        async let former = table.replace(of: "192.0.2.1", meta, asksPeers: true)
        await probed.wait()
        session.requestEnd(.finished)
        // Without an end, nobody would be replaced, because the connection is attached.
        #expect(await former === session)
        #expect(session.endReason == .finished && !session.isEnded)
    }
}
