// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletWire
import Testing

@testable import CloudletClient

/// What waits in the inbox while the client is busy, and what a client learns when a connection ends.
@Suite(.timeLimit(.minutes(1))) struct ClientInboxTests {
    private let inbox = ClientInbox()
    private let lost = LostConnection(reason: CloudletError(.unavailable, "the connection was lost"), wasAnswered: true)

    /// The failure to report, which is known at once.
    private func reportedFailure() async -> CloudletError? {
        let deadline = ContinuousClock.now + .seconds(30)
        let failure = await inbox.failure(until: deadline)
        #expect(ContinuousClock.now < deadline)
        return failure
    }

    private func bytes(_ messages: ServerMessage...) -> [UInt8] { messages.flatMap { Frame.encode($0.value) } }

    private func progress(_ percent: UInt64) -> ServerMessage { .progress(stage: .resuming, percent: percent) }

    @Test("of the reports that wait only the newest is kept, after the requests that came before it")
    func newestReport() async throws {
        inbox.begin(blobNames: ["a", "b"])
        for percent in 0..<100 { try inbox.receive(bytes(progress(UInt64(percent)))) }
        try inbox.receive(bytes(.success(.sendMeta), progress(50), .onDemand("b")))
        for position in 1...100 {
            try inbox.receive(bytes(.progress(stage: nil, percent: nil, position: UInt64(position))))
        }
        try inbox.receive(bytes(.onDemand("a"), .synthesisDone()))
        #expect(try await inbox.next() == .metaAccepted)
        #expect(try await inbox.next() == .send(1))
        #expect(try await inbox.next() == .queued(position: 100))
        #expect(try await inbox.next() == .send(0))
        #expect(try await inbox.next() == .done(nil))
    }

    @Test("messages that nobody asked for break the protocol before they fill the memory", arguments: [0, 100])
    func unasked(blobs: Int) throws {
        let names = (0..<blobs).map { "b\($0)" }
        inbox.begin(blobNames: names)
        // Requests of every blob are what a node may send.
        for name in names { try inbox.receive(bytes(.onDemand(name))) }
        let error = #expect(throws: CloudletError.self) {
            for _ in 0..<17 { try inbox.receive(bytes(.success(.sendMeta))) }
        }
        #expect(error?.code == .protocolViolation)
    }

    @Test("the node's reason comes before all that waits, whatever follows it")
    func failure() async throws {
        inbox.begin(blobNames: ["a"])
        try inbox.receive(bytes(.onDemand("a"), progress(1)))
        let reason = #expect(throws: CloudletError.self) {
            try inbox.receive(bytes(progress(2), .fail(reason: "no room", code: "busy")) + [0xFF, 0xFF, 0xFF, 0xFF])
        }
        let failure = try #require(reason)
        #expect(failure.code == .busy && failure.message == "the node says: no room")
        inbox.fail(failure)
        #expect(await reportedFailure()?.message == failure.message)
        inbox.finish(lost)
        let next = await #expect(throws: CloudletError.self) { try await inbox.next() }
        #expect(next?.message == failure.message)
        #expect(await reportedFailure()?.message == failure.message)
    }

    @Test("what arrived before the connection was lost can still be taken")
    func loss() async throws {
        #expect(!inbox.hasReceived)
        try inbox.receive(bytes(.success(.finish)))
        inbox.finish(lost)
        #expect(try await inbox.next() == .success(.finish))
        await #expect(throws: LostConnection.self) { try await inbox.next() }
        #expect(await reportedFailure() == nil && inbox.hasReceived)
    }

    @Test("a failure that is received while one waits for it is reported")
    func laterFailure() async {
        let waiting = Task.immediate { await reportedFailure() }
        inbox.fail(CloudletError(.busy, "no room"))
        #expect(await waiting.value?.message == "no room")
    }

    @Test("while the connection is open there is no failure to report")
    func open() async {
        #expect(await inbox.failure(until: .now) == nil)
    }

    @Test(
        "bytes of another protocol and messages that make no sense break the protocol",
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF], Array("HTTP/1.1 200 OK\r\n".utf8), [0, 0, 0, 1, 0xC1],
            Frame.encode(ServerMessage.onDemand("c").value), Frame.encode(ClientMessage.resourceInfo.value),
            Frame.encode(ServerMessage.success(.createSession, session: SessionID(0)).value),
            Frame.encode(ServerMessage.success(.createSession).value),
        ])
    func wrongBytes(bytes: [UInt8]) {
        inbox.begin(blobNames: ["a"])
        let error = #expect(throws: CloudletError.self) { try inbox.receive(bytes) }
        #expect(error?.code == .protocolViolation)
    }

    @Test("a request for a blob is taken once")
    func repeatedRequest() throws {
        inbox.begin(blobNames: ["a"])
        try inbox.receive(bytes(.onDemand("a")))
        #expect(throws: CloudletError.self) { try inbox.receive(bytes(.onDemand("a"))) }
    }
}
