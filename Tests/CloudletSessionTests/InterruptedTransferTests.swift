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
import SystemPackage
import Testing

@testable import CloudletClient

/// Sessions whose connection is lost during the transfer.
@Suite(.serialized, .timeLimit(.minutes(1))) struct InterruptedTransferTests {
    let service: TestService
    init() throws { service = try TestService() }

    @Test(
        "our client goes on with what is missing when its connection breaks off; no byte comes twice",
        arguments: [200_000, 65_000])
    func goesOn(cut: Int) async throws {
        let overlay = try service.overlay()
        let scratch = try ScratchDirectory()
        try await service.run { [backend = service.backend] server, port in
            let relay = Repository.root.appending("Tests/CloudletSessionTests/Peers/cutting_relay.py").string
            _ = try await Tool.with("python3", [relay, "\(port)", "\(cut)", "3"], log: scratch.file("relay")) { relay in
                try await relay.waitFor("\n")
                let own = try #require(UInt16(relay.output.split(separator: "\n")[0]))
                try await SynthesisClient(.init(host: "127.0.0.1", port: own)).synthesize(overlay) {
                    vm in #expect(vm.port(of: 22) == 2222)
                }
                relay.send(SIGKILL)
            }
            #expect(backend.state.withLock { $0.ended == 1 && $0.places == 0 && $0.cancelled == 0 })
            for (index, blob) in overlay.meta.blobs.enumerated() {
                let expected = try overlay.open(index).read(0..<blob.size)
                #expect(backend.state.withLock { $0.received[index] } == expected, "blob \(index)")
            }
            #expect(await server.table.statuses().isEmpty)
        }
    }

    @Test("a client that says that it comes back and doesn't is waited for only so long")
    func staysAway() async throws {
        let overlay = try service.overlay()
        try await service.run({ $0.reconnectTimeout = .seconds(1) }) { [backend = service.backend] server, port in
            let session = try await breakOff(overlay, port).session
            #expect(await server.table.statuses().map(\.id) == [session])
            #expect(
                try await poll(every: .milliseconds(20), for: .seconds(60)) { () async throws(CloudletError) in
                    backend.state.withLock { $0.cancelled == 1 && $0.places == 0 }
                })
            #expect(await server.table.statuses().isEmpty)
        }
    }

    @Test("nobody goes on with a session with another meta, or without having said so")
    func otherMeta() async throws {
        let overlay = try service.overlay()
        try await service.run { _, port in
            let session = try await breakOff(overlay, port).session
            for (meta, resumes) in [(overlay.metaBytes + [0], true), (overlay.metaBytes, false)] {
                let raw = try await RawClient(port)
                var announcement = ClientMessage.SendMeta(size: meta.count, session: session)
                announcement.resumes = resumes
                try await raw.send(Frame.encode(ClientMessage.sendMeta(announcement).value) + meta)
                guard case .fail = try ServerMessage(try await raw.receiveMessage()) else {
                    Issue.record("no failure")
                    return
                }
            }
        }
    }

    @Test("what still comes from the connection before does not end a session that goes on with another one")
    func straggler() async throws {
        let overlay = try service.overlay()
        try await service.run { [backend = service.backend] server, port in
            let (session, former) = try await breakOff(overlay, port)
            let raw = try await RawClient(port)
            var announcement = ClientMessage.SendMeta(size: overlay.metaBytes.count, session: session)
            announcement.resumes = true
            try await raw.send(Frame.encode(ClientMessage.sendMeta(announcement).value) + overlay.metaBytes)
            guard case .success = try ServerMessage(try await raw.receiveMessage()) else {
                Issue.record("the session does not go on")
                return
            }
            try await former.send([UInt8](repeating: 7, count: 1000))
            guard case .fail(let reason, _) = try ServerMessage(try await former.receiveMessage()) else {
                Issue.record("the straggler is not told")
                return
            }
            #expect(reason.contains("continues on another connection"))
            // Long enough for a session to end that its former connection takes along.
            try await Task.sleep(for: .milliseconds(300))
            #expect(await server.table.statuses().map(\.id) == [session])
            #expect(backend.state.withLock { $0.cancelled == 0 && $0.places == 1 })
        }
    }

    /// Sends the first 100,000 bytes of the first blob and goes away, once the connection is let go.
    private func breakOff(
        _ overlay: OverlaySource, _ port: UInt16
    ) async throws -> (session: SessionID, connection: RawClient) {
        let session = try await RawClient.createSession(port)
        let raw = try await RawClient(port)
        var announcement = ClientMessage.SendMeta(size: overlay.metaBytes.count, session: session)
        announcement.resumes = true
        try await raw.send(Frame.encode(ClientMessage.sendMeta(announcement).value) + overlay.metaBytes)
        _ = try await raw.receiveMessage()
        _ = try await raw.receiveMessage()
        let blob = ClientMessage.sendOverlay(name: "b0.xz", size: overlay.meta.blobs[0].size, session: session)
        try await raw.send(Frame.encode(blob.value) + [UInt8](repeating: 7, count: 100_000))
        return (session, raw)
    }
}
