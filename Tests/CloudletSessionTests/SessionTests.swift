// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMessagePack
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Logging
import Synchronization
import Testing

@testable import CloudletClient
@testable import CloudletSession

/// Our server with our client and with the originals' bytes, over real TCP on the loopback address.
@Suite(.serialized, .timeLimit(.minutes(1))) struct SessionTests {
    let service: TestService
    init() throws { service = try TestService() }

    private var backend: FakeBackend { service.backend }

    private func client(_ port: UInt16) -> SynthesisClient { SynthesisClient(.init(host: "127.0.0.1", port: port)) }

    @Test("our client and server complete a session, and the VM ends with it")
    func ownSession() async throws {
        let overlay = try service.overlay()
        try await service.run { [backend] server, port in
            let stages = Mailbox<SynthesisClient.Progress>()
            try await client(port).synthesize(overlay, progress: { stages.put($0) }) { vm in
                #expect(vm.port(of: 22) == 2222 && vm.host == "127.0.0.1")
                #expect(backend.state.withLock(\.running) == 1)
                let status = await server.table.statuses()
                #expect(status.count == 1 && status[0].appName == "face" && status[0].stage == .running)
            }
            stages.finish()
            var last = 0
            while let stage = try await stages.next() { if case .sent(let count) = stage { last = count } }
            #expect(last == 700_076)
            #expect(backend.state.withLock { $0.running == 0 && $0.ended == 1 && $0.noted == [.running] })
            #expect(backend.state.withLock { $0.received.mapValues(\.count) } == [0: 700_000, 1: 32, 2: 44])
            #expect(await server.table.statuses().isEmpty)
        }
    }

    @Test("the reason of a failure reaches the client with its code", arguments: [true, false])
    func failures(atAdmission: Bool) async throws {
        let overlay = try service.overlay()
        let reason = CloudletError(.busy, "no memory for the guest: 1 GiB is missing", advice: "try another node")
        backend.state.withLock { if atAdmission { $0.refusal = reason } else { $0.failure = reason } }
        try await service.run { _, port in
            let error = await #expect(throws: CloudletError.self) {
                try await client(port).synthesize(overlay) { _ in Issue.record("the VM runs") }
            }
            #expect(error?.code == .busy)
            #expect(error?.description.contains("1 GiB is missing; try another node") == true)
        }
    }

    @Test("a VM that fails is told to its client and kept with its session as a failure, not as an end")
    func failedVM() async throws {
        let overlay = try service.overlay()
        let reason = CloudletError(.unavailable, "the emulator crashed (SIGSEGV)", advice: "look at its log")
        try await service.run { [backend] server, port in
            let error = await #expect(throws: CloudletError.self) {
                try await client(port).synthesize(overlay) { _ in
                    backend.state.withLock { $0.machines.first }?.fail(reason)
                    // Nothing sets this event: the end of the session cancels the task.
                    await AsyncEvent().wait()
                }
            }
            #expect(error?.code == .unavailable)
            #expect(error?.description.contains("the VM failed: \(reason)") == true, "\(error?.description ?? "")")
            let ended = try #require(await server.table.takeEnded().first)
            #expect(ended.failure == .unavailable && ended.endReason?.description == "the VM failed: \(reason)")
            #expect(backend.state.withLock { $0.running == 0 && $0.ended == 1 && $0.places == 0 })
        }
    }

    @Test("when the node ends the session, what the client does with the VM is cancelled")
    func nodeGoesAway() async throws {
        let overlay = try service.overlay()
        try await service.run { server, port in
            let error = await #expect(throws: CloudletError.self) {
                try await client(port).synthesize(overlay) { vm in
                    try await RawClient.command(port, .finish(session: vm.session, statistics: []))
                    // Nothing sets this event: the end of the session cancels the task.
                    await AsyncEvent().wait()
                }
            }
            _ = server
            #expect(error != nil)
        }
    }

    @Test("the 2013 Python client's whole session, byte for byte")
    func pythonClient() async throws {
        let overlay = try service.overlay()
        try await service.run { [backend] _, port in
            let session = try await RawClient.createSession(port)
            let raw = try await RawClient(port)
            var meta = ClientMessage.SendMeta(size: overlay.metaBytes.count, session: session)
            meta.options.displayVNC = true
            try await raw.send(Frame.encode(ClientMessage.sendMeta(meta).value) + overlay.metaBytes)
            #expect(
                try await raw.receive(33)
                    == hex("0000001d 82 a7636f6d6d616e64 01 b17265717565737465645f636f6d6d616e64 11"))
            // The first blob is larger than the bound, so it is asked for alone.
            let first = Frame.encode(ServerMessage.onDemand("b0.xz").value)
            #expect(try await raw.receive(first.count) == first)
            try await raw.sendBlob(overlay, 0, session)
            for name in ["b1.xz", "b2.xz"] {
                let request = Frame.encode(ServerMessage.onDemand(name).value)
                #expect(try await raw.receive(request.count) == request)
            }
            try await raw.sendBlob(overlay, 2, session)
            try await raw.sendBlob(overlay, 1, session)
            #expect(try await raw.receive(14) == hex("0000000a 81 a7636f6d6d616e64 04"))
            #expect(backend.state.withLock(\.running) == 1)
            try await raw.send(Frame.encode(ClientMessage.finish(session: session, statistics: []).value))
            #expect(
                try await raw.receive(33)
                    == hex("0000001d 82 a7636f6d6d616e64 01 b17265717565737465645f636f6d6d616e64 13"))
            #expect(try await raw.receive(1) == [])
            #expect(backend.state.withLock(\.running) == 0)
            // It closes the session it has finished, which the original answers with success, once.
            for isFirst in [true, false] {
                let last = try await RawClient(port)
                try await last.send(Frame.encode(ClientMessage.closeSession(session).value))
                let answer = try ServerMessage(try await last.receiveMessage())
                #expect(answer == (isFirst ? .success(.closeSession) : .fail(reason: "Not Valid session \(session)")))
            }
        }
    }

    @Test(
        "the 2014 client closes at DONE and finishes on a new connection; without that the lease ends the VM",
        arguments: [true, false])
    func lease(finishes: Bool) async throws {
        let overlay = try service.overlay()
        try await service.run({ $0.lease = .seconds(2) }) { [backend] _, port in
            let session = try await RawClient.runSession(port, overlay)
            // Long enough for a VM to end whose client left.
            try await Task.sleep(for: .milliseconds(150))
            #expect(backend.state.withLock(\.running) == 1)
            if finishes {
                try await RawClient.command(port, .finish(session: session, statistics: []))
                #expect(backend.state.withLock(\.running) == 0)
            } else {
                #expect(
                    try await poll(every: .milliseconds(20), for: .seconds(60)) { () throws(CloudletError) in
                        backend.state.withLock(\.running) == 0
                    })
            }
        }
    }

    @Test("a lease that is made shorter holds at once, for a VM that waits for its client already")
    func shorterLease() async throws {
        let overlay = try service.overlay()
        try await service.run { [backend] server, port in
            let session = try await RawClient.runSession(port, overlay)
            try await until(5, "the connection is not lost") {
                await server.table.session(session)?.isConnected == false
            }
            #expect(backend.state.withLock(\.running) == 1)
            server.limits.update { $0.lease = .zero }
            try await until(5, "the VM goes on") { backend.state.withLock(\.running) == 0 }
            #expect(await server.table.takeEnded().first?.endReason == .reconnectTimeout)
        }
    }

    @Test("a client that goes away in the middle leaves nothing behind", arguments: [10, 100_000, 700_000])
    func clientGoesAway(after bytes: Int) async throws {
        let overlay = try service.overlay()
        try await service.run { [backend] server, port in
            let session = try await RawClient.createSession(port)
            do {
                let raw = try await RawClient(port)
                let meta = ClientMessage.sendMeta(.init(size: overlay.metaBytes.count, session: session))
                try await raw.send(Array((Frame.encode(meta.value) + overlay.metaBytes).prefix(bytes)))
                if bytes > 500 {
                    _ = try await raw.receiveMessage()
                    _ = try await raw.receiveMessage()
                    let blob = ClientMessage.sendOverlay(name: "b0.xz", size: 700_000, session: session)
                    try await raw.send(Frame.encode(blob.value) + [UInt8](repeating: 0, count: bytes))
                }
            }
            // Before the meta is complete the session is only made; it may be used by another connection.
            let begun = bytes > 500
            #expect(
                try await poll(every: .milliseconds(20), for: .seconds(60)) { () async throws(CloudletError) in
                    let cancelled = backend.state.withLock(\.cancelled)
                    return await server.table.statuses().isEmpty == begun && cancelled == (begun ? 1 : 0)
                })
            #expect(backend.state.withLock(\.running) == 0)
        }
    }

    @Test("an answer's length and body come in one piece, as the original's clients need it")
    func onePiece() async throws {
        try await service.run { _, port in
            for _ in 0..<50 {
                let raw = try await RawClient(port)
                try await raw.send(hex("0000000a 81 a7636f6d6d616e64 15"))
                let piece = try await raw.receivePiece()
                #expect(piece.count > 4 && piece.count == 4 + piece.prefix(4).reduce(0) { $0 << 8 | Int($1) })
            }
        }
    }

    @Test(
        "garbage, wrong order and foreign sessions end a connection with a reason; others go on",
        arguments: [
            hex("ffffffff"), Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), hex("00000001 c1"),
            hex("0000000a 81 a7636f6d6d616e64 12"),
            Frame.encode(ClientMessage.sendMeta(.init(size: 1, session: SessionID(7))).value) + [0],
            Frame.encode(ClientMessage.finish(session: nil, statistics: []).value),
            Frame.encode(ClientMessage.closeSession(SessionID(1)).value),
            Frame.encode(ClientMessage.overlayURL("http://x/", session: nil).value),
        ])
    func hostile(bytes: [UInt8]) async throws {
        try await service.run { _, port in
            let raw = try await RawClient(port)
            try await raw.send(bytes)
            let answer = try await raw.receiveMessage()
            guard case .fail(let reason, _) = try ServerMessage(answer) else {
                Issue.record("not a failure: \(answer)")
                return
            }
            #expect(!reason.isEmpty)
            #expect(try await raw.receive(1) == [])
            let time = try await ContinuousClock().measure { _ = try await RawClient.createSession(port) }
            #expect(time < .seconds(2), "\(time)")
        }
    }

    @Test("the original's words for unknown sessions")
    func originalWords() async throws {
        try await service.run { _, port in
            let raw = try await RawClient(port)
            try await raw.send(Frame.encode(ClientMessage.closeSession(SessionID(1)).value))
            #expect(
                try ServerMessage(try await raw.receiveMessage())
                    == .fail(reason: "Not Valid session 1"))
            let other = try await RawClient(port)
            try await other.send(Frame.encode(ClientMessage.closeSession(nil).value))
            #expect(
                try ServerMessage(try await other.receiveMessage())
                    == .fail(reason: "Not Valid session None"))
        }
    }

    @Test("a client that says nothing is let go, an idle one beside a session too")
    func silence() async throws {
        try await service.run({ $0.idleTimeout = .milliseconds(400) }) { _, port in
            let raw = try await RawClient(port)
            guard case .fail(let reason, _) = try ServerMessage(try await raw.receiveMessage()) else {
                Issue.record("not a failure")
                return
            }
            #expect(reason.contains("no bytes arrived"))
        }
    }

    @Test("figures of the machine come with the original's keys")
    func resources() async throws {
        try await service.run { _, port in
            let raw = try await RawClient(port)
            try await raw.send(Frame.encode(ClientMessage.resourceInfo.value))
            guard case .success(.resourceInfo, _, let payload?) = try ServerMessage(try await raw.receiveMessage())
            else {
                Issue.record("no payload")
                return
            }
            #expect(payload["machine_mem_total_mb"]?.unsigned == 4096 && payload["machine_cpu_num"]?.unsigned == 1)
        }
    }

    @Test("an overlay at a URL is fetched by the node; SUCCESS and DONE come as after a meta")
    func overlayURL() async throws {
        let overlay = try service.overlay()
        backend.state.withLock { $0.atURL = overlay }
        try await service.run { [backend] _, port in
            let session = try await RawClient.createSession(port)
            let raw = try await RawClient(port)
            let url = ClientMessage.overlayURL("http://here/overlay.zip", session: session)
            try await raw.send(Frame.encode(url.value))
            #expect(
                try await raw.receive(33)
                    == hex("0000001d 82 a7636f6d6d616e64 01 b17265717565737465645f636f6d6d616e64 17"))
            #expect(try await raw.receive(14) == hex("0000000a 81 a7636f6d6d616e64 04"))
            #expect(backend.state.withLock { $0.received.mapValues(\.count) } == [0: 700_000, 1: 32, 2: 44])
            try await RawClient.command(port, .finish(session: session, statistics: []))
            #expect(backend.state.withLock(\.running) == 0)
            let refused = try await RawClient(port)
            let other = try await RawClient.createSession(port)
            try await refused.send(Frame.encode(ClientMessage.overlayURL("http://there/", session: other).value))
            #expect(try ServerMessage(try await refused.receiveMessage()) == .fail(reason: "not from there"))
        }
    }
}
