import CloudletCore
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Synchronization
import Testing

@testable import CloudletSession

/// Ends that come twice, at the same time as something else, or for a reason that is nobody's business.
@Suite(.serialized, .timeLimit(.minutes(1))) struct SessionEndTests {
    let service: TestService
    init() throws { service = try TestService() }

    @Test("FINISH sent twice is answered each time, whichever connections it comes by", arguments: [0, 1, 2, 3])
    func finishedTwice(way: Int) async throws {
        let overlay = try service.overlay()
        service.backend.state.withLock { $0.ending = .milliseconds(300) }
        try await service.run { [backend = service.backend] _, port in
            let (session, first) = try await RawClient.connectSession(port, overlay)
            let finish = Frame.encode(ClientMessage.finish(session: session, statistics: []).value)
            let success = ServerMessage.success(.finish)
            switch way {
            case 0:
                // On two new connections at once.
                let others = [try await RawClient(port), try await RawClient(port)]
                for other in others { try await other.send(finish) }
                for other in others { #expect(try ServerMessage(try await other.receiveMessage()) == success) }
            case 1:
                // On the session's connection and on another one at once.
                let other = try await RawClient(port)
                try await first.send(finish)
                try await other.send(finish)
                for each in [first, other] { #expect(try ServerMessage(try await each.receiveMessage()) == success) }
            case 2:
                // Twice in one piece.
                try await first.send(finish + finish)
                #expect(try ServerMessage(try await first.receiveMessage()) == success)
            default:
                // One after the other: there is no such session any more.
                try await RawClient.command(port, .finish(session: session, statistics: []))
                let late = try await RawClient(port)
                try await late.send(finish)
                #expect(
                    try ServerMessage(try await late.receiveMessage()) == .fail(reason: "Not Valid session \(session)"))
                try await RawClient.command(port, .closeSession(session))
            }
            #expect(backend.state.withLock { $0.running == 0 && $0.ended == 1 })
        }
    }

    @Test("a session is either begun or given up, never both, and nobody waits for a wish without a reason")
    func beginOrEnd() async {
        for round in 0..<300 {
            let session = Session(id: SessionID(UInt64(round + 1)), client: "a")
            let digest = SHA256Digest(hashing: [1].span)
            let begun = Task.detached { session.begin(meta: digest) }
            let ended = Task.detached {
                round.isMultiple(of: 2) ? session.endIfUnused("x") : session.endUnlessBegun("x")
            }
            let (isBegun, isEnded) = (await begun.value, await ended.value)
            #expect(isBegun != isEnded)
            #expect(session.status.stage == (isBegun ? .waiting : .ended))
        }
        let session = Session(id: SessionID(1), client: "a")
        session.markEnded("gone")
        await session.waitForWish()
        #expect(session.finishReason == "gone")
        session.note(.receiving(percent: 1))
        #expect(session.status.stage == .ended)
    }

    @Test("what a failure says of the node's files and programs stays in its log", arguments: [true, false])
    func secrets(atAdmission: Bool) async throws {
        let overlay = try service.overlay()
        let reason = CloudletError(
            .io, "can't open /home/ann/.cloudlet/x/base-mem", cause: CloudletError(.busy, "locked by vi (4711)"))
        service.backend.state.withLock { if atAdmission { $0.refusal = reason } else { $0.failure = reason } }
        try await service.run { server, port in
            let error = await #expect(throws: CloudletError.self) {
                try await RawClient.runSession(port, overlay)
            }
            #expect(error?.message == "can't open a local file: locked by another program")
            // The list of sessions, for the node's owner, has all of it.
            try await until(5, "the session does not end") {
                await server.table.takeEnded().first?.endReason?.contains("/home/ann/.cloudlet/x/base-mem") == true
            }
        }
    }
}
