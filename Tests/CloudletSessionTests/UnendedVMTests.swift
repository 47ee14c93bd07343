import CloudletCore
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Logging
import Synchronization
import Testing

@testable import CloudletSession

/// VMs that can't be ended when their sessions end.
@Suite(.serialized, .timeLimit(.minutes(1))) struct UnendedVMTests {
    let service: TestService
    init() throws { service = try TestService() }

    @Test("such a VM keeps its reservation and is listed with the reason until an attempt to end it succeeds")
    func session() async throws {
        let overlay = try service.overlay()
        service.backend.state.withLock { $0.failingEnds = .max }
        try await service.run { [backend = service.backend] server, port in
            let (session, connection) = try await RawClient.connectSession(port, overlay)
            try await connection.send(Frame.encode(ClientMessage.finish(session: session, statistics: []).value))
            #expect(try await connection.receiveMessages() == [.success(.finish)])
            #expect(server.unended.reasons == ["VM fake can't be ended: its emulator does not react"])
            #expect(server.unended.failure(of: session)?.code == .unavailable)
            #expect(server.unended.failure(of: SessionID(1)) == nil)
            try await until(5, "it is not tried again") { backend.state.withLock { Int.max - $0.failingEnds > 3 } }
            #expect(backend.state.withLock { $0.places == 1 && $0.running == 1 })
            backend.state.withLock { $0.failingEnds = 0 }
            try await until(5, "it does not end") { backend.state.withLock { $0.ended == 1 && $0.places == 0 } }
            try await until(5, "it is still listed") { server.unended.reasons.isEmpty }
        }
    }

    @Test("a node that stops tries once more to end such VMs, and then does not wait for them")
    func stop() async throws {
        let unended = UnendedVMs(
            pauses: .seconds(3600) ... .seconds(3600), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let attempts = Atomic(0)
        let isReleased = Atomic(false)
        try await withThrowingTaskGroup { group in
            let reservation = Reservation(release: { isReleased.store(true, ordering: .relaxed) })
            group.addTask { await unended.run() }
            await unended.end("vm", holding: reservation) { () async throws(CloudletError) in
                attempts.add(1, ordering: .relaxed)
                throw CloudletError(.unavailable, "no")
            }
            reservation.release()
            #expect(attempts.load(ordering: .relaxed) == 1)
            group.cancelAll()
            try await group.waitForAll()
            #expect(attempts.load(ordering: .relaxed) == 2)
            #expect(unended.reasons.count == 1 && !isReleased.load(ordering: .relaxed))
        }
    }

    @Test("the reservation of a VM that was ended at once is released, and nothing is listed")
    func ended() async throws {
        let unended = UnendedVMs(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let releases = Atomic(0)
        let reservation = Reservation(release: { releases.add(1, ordering: .relaxed) })
        await unended.end("vm", holding: reservation) {}
        #expect(releases.load(ordering: .relaxed) == 1 && unended.reasons.isEmpty)
    }
}
