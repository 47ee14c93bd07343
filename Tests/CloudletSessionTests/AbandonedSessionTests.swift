// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Glibc
import Synchronization
import Testing

@testable import CloudletClient

/// Clients that were gone and begin anew, while the VM they left lives on.
@Suite(.serialized, .timeLimit(.minutes(1))) struct AbandonedSessionTests {
    let service: TestService
    init() throws { service = try TestService() }

    private var backend: FakeBackend { service.backend }

    /// The VMs that run, and those that have ended.
    private var machines: [Int] { backend.state.withLock { [$0.running, $0.ended, $0.most] } }

    @Test("a client that was killed at DONE gets a VM at once: the one it left ends before the new one begins")
    func comesAgain() async throws {
        let overlay = try service.overlay()
        try await service.run { server, port in
            let first = try await RawClient.runSession(port, overlay)
            for _ in 0..<3 { _ = try await RawClient.runSession(port, overlay) }
            #expect(machines == [1, 3, 1])
            let left = await server.table.statuses()
            #expect(left.count == 1 && left[0].id != first)
            let gone = await server.table.takeEnded().first { $0.id == first }
            #expect(gone?.endReason?.description.contains("began another session") == true, "\(gone as Any)")
        }
    }

    @Test("a VM whose client is there is never taken, nor one of another overlay")
    func livingConnection() async throws {
        let overlay = try service.overlay()
        let other = service.other(than: overlay)
        try await service.run { _, port in
            let held = try await RawClient.connectSession(port, overlay)
            let second = try await RawClient.connectSession(port, overlay)
            #expect(machines == [2, 0, 2])
            _ = try await RawClient.runSession(port, other)
            #expect(machines == [3, 0, 3])
            withExtendedLifetime((held, second)) {}
        }
    }

    @Test(
        "a client whose host forgot the connection, as after a restart, is not kept out by it",
        .enabled(if: geteuid() == 0))
    func forgottenConnection() async throws {
        let overlay = try service.overlay()
        try await service.run { _, port in
            let former = try await RawClient.connectSession(port, overlay)
            former.connection.vanish()
            _ = try await RawClient.runSession(port, overlay)
            #expect(machines == [1, 1, 1])
        }
    }

    @Test("a client of ours that comes back by itself is given a moment for it")
    func moment() async throws {
        let overlay = try service.overlay()
        try await service.run { server, port in
            let session = try await RawClient.createSession(port)
            do {
                let raw = try await RawClient(port)
                var announcement = ClientMessage.SendMeta(size: overlay.metaBytes.count, session: session)
                (announcement.apiVersion, announcement.resumes) = (1, true)
                try await raw.run(announcement, overlay, session)
            }
            #expect(
                try await poll(every: .milliseconds(20), for: .seconds(60)) { () async throws(CloudletError) in
                    await server.table.statuses().contains { $0.id == session }
                })
            try await SynthesisClient(.init(host: "127.0.0.1", port: port)).synthesize(overlay) { _ in
                #expect(machines == [2, 0, 2])
            }
        }
    }
}
