// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

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
            let hasEnded = await unended.end("vm", holding: reservation) { () async throws(CloudletError) in
                attempts.add(1, ordering: .relaxed)
                throw CloudletError(.unavailable, "no")
            }
            #expect(!hasEnded)
            reservation.release()
            #expect(attempts.load(ordering: .relaxed) == 1)
            group.cancelAll()
            try await group.waitForAll()
            #expect(attempts.load(ordering: .relaxed) == 2)
            #expect(unended.reasons.count == 1 && !isReleased.load(ordering: .relaxed))
        }
    }

    /// Adds a VM that can't be ended, and waits for an attempt to end it; the first attempt has the number 1.
    private func wait(
        forAttempt number: Int, pauses: ClosedRange<Duration>, _ body: (UnendedVMs) async throws -> Void
    ) async throws {
        let unended = UnendedVMs(pauses: pauses, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let attempts = Atomic(0)
        let (isReached, mayEnd) = (AsyncEvent(), AsyncEvent())
        try await withThrowingTaskGroup { group in
            group.addTask { await unended.run() }
            await unended.end("vm") { () async throws(CloudletError) in
                let attempt = attempts.add(1, ordering: .relaxed).newValue
                if attempt == number {
                    isReached.set()
                    await mayEnd.wait()
                }
                throw CloudletError(.unavailable, "attempt \(attempt)")
            }
            await isReached.wait()
            try await body(unended)
            mayEnd.set()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    @Test("the pauses between the attempts grow up to the longest one, and the latest error is listed")
    func pauses() async throws {
        let start = ContinuousClock.now
        try await wait(forAttempt: 9, pauses: .milliseconds(1) ... .seconds(3600)) { unended in
            // 1 + 2 + 4 + ... + 128 ms.
            #expect(ContinuousClock.now - start >= .milliseconds(255))
            #expect(unended.reasons == ["VM vm can't be ended: attempt 8"])
        }
        // Without a longest pause, this would take half an hour.
        try await wait(forAttempt: 20, pauses: .milliseconds(1) ... .milliseconds(4)) { _ in }
    }

    @Test("the reservation of a VM that was ended at once is released, and nothing is listed")
    func ended() async throws {
        let unended = UnendedVMs(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let releases = Atomic(0)
        let reservation = Reservation(release: { releases.add(1, ordering: .relaxed) })
        #expect(await unended.end("vm", holding: reservation) {})
        #expect(releases.load(ordering: .relaxed) == 1 && unended.reasons.isEmpty)
    }
}
