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

/// Ends that come twice, at the same time as something else, or for a reason that is nobody's business.
@Suite(.serialized, .timeLimit(.minutes(1))) struct SessionEndTests {
    let service: TestService
    init() throws { service = try TestService() }

    private static func finish(_ session: SessionID) -> [UInt8] {
        Frame.encode(ClientMessage.finish(session: session, statistics: []).value)
    }

    private static func unknown(_ session: SessionID) -> ServerMessage {
        .fail(reason: "Not Valid session \(session)")
    }

    /// By which connections, and when, a client says twice that it is done.
    enum Order: CaseIterable {
        case newConnections, ownAndNew, newThenOwn, onePiece, twoPieces, meanwhile, oneAfterTheOther, withClose
    }

    @Test("FINISH sent twice is answered each time, whichever connections it comes by", arguments: Order.allCases)
    func finishedTwice(order: Order) async throws {
        let overlay = try service.overlay()
        service.backend.state.withLock { $0.ending = .milliseconds(order == .meanwhile ? 1500 : 300) }
        try await service.run { [backend = service.backend] server, port in
            let (session, own) = try await RawClient.connectSession(port, overlay)
            let (finish, success) = (Self.finish(session), ServerMessage.success(.finish))
            let other = try await RawClient(port)
            switch order {
            case .newConnections:
                let third = try await RawClient(port)
                for each in [other, third] { try await each.send(finish) }
                for each in [other, third] { #expect(try await each.receiveMessages() == [success]) }
                #expect(try await own.receiveMessages() == [.fail(reason: "the client is done")])
            case .ownAndNew:
                for each in [own, other] { try await each.send(finish) }
                for each in [own, other] { #expect(try await each.receiveMessages() == [success]) }
            case .newThenOwn:
                try await other.send(finish)
                #expect(try await other.receiveMessages() == [success])
                try await own.send(finish)
                #expect(try await own.receiveMessages() == [.fail(reason: "the client is done")])
            case .onePiece:
                try await own.send(finish + finish)
                #expect(try await own.receiveMessages() == [success, Self.unknown(session)])
            case .twoPieces:
                try await other.send(finish + finish.prefix(9))
                #expect(try ServerMessage(try await other.receiveMessage()) == success)
                try await other.send(Array(finish.dropFirst(9)))
                #expect(try await other.receiveMessages() == [Self.unknown(session)])
            case .meanwhile:
                try await own.send(finish)
                try await until(5, "it is not taken") { await server.table.session(session)?.endReason != nil }
                try await own.send(finish)
                #expect(try await own.receiveMessages() == [success, Self.unknown(session)])
            case .oneAfterTheOther:
                try await other.send(finish)
                #expect(try await other.receiveMessages() == [success])
                let late = try await RawClient(port)
                try await late.send(finish)
                #expect(try await late.receiveMessages() == [Self.unknown(session)])
                try await RawClient.command(port, .closeSession(session))
            case .withClose:
                try await other.send(finish + Frame.encode(ClientMessage.closeSession(session).value))
                #expect(try await other.receiveMessages() == [success, .success(.closeSession)])
            }
            #expect(backend.state.withLock { $0.running == 0 && $0.ended == 1 })
        }
    }

    /// What a session is doing when its client says that it is done.
    enum Moment: CaseIterable { case never, unused, receiving, resuming, failed }

    @Test("FINISH sent twice is answered whatever the session is doing", arguments: Moment.allCases)
    func finishedAnyTime(moment: Moment) async throws {
        let overlay = try service.overlay()
        try await service.run { [backend = service.backend] server, port in
            let announcement = { ClientMessage.SendMeta(size: overlay.metaBytes.count, session: $0) }
            let session = moment == .never ? SessionID(4711) : try await RawClient.createSession(port)
            let finish = Self.finish(session)
            let own = try await RawClient(port)
            var answers: [ServerMessage] = []
            switch moment {
            case .never, .unused: break
            case .receiving:
                try await own.send(
                    Frame.encode(ClientMessage.sendMeta(announcement(session)).value) + overlay.metaBytes)
                #expect(try ServerMessage(try await own.receiveMessage()) == .success(.sendMeta))
            case .resuming:
                try await own.send(
                    Frame.encode(ClientMessage.sendMeta(announcement(session)).value) + overlay.metaBytes)
                #expect(try ServerMessage(try await own.receiveMessage()) == .success(.sendMeta))
                for index in overlay.meta.blobs.indices.dropLast() { try await own.sendBlob(overlay, index, session) }
                // Behind the last blob, whose bytes are asked for by now or soon.
                let last = try #require(overlay.meta.blobs.last)
                let bytes = try overlay.open(overlay.meta.blobs.count - 1).read(0..<last.size)
                let head = ClientMessage.sendOverlay(name: last.name, size: last.size, session: session)
                try await own.send(Frame.encode(head.value) + bytes + finish)
                answers = try await own.receiveMessages()
                guard case .fail = answers.last else { throw CloudletError(.defect, "\(answers)") }
            case .failed:
                try await own.run(announcement(session), overlay, session)
                try #require(backend.state.withLock(\.machines).last).fail(CloudletError(.unavailable, "it broke"))
                try await until(5, "the session continues") { await server.table.session(session) == nil }
                try await own.send(finish)
                // Why the session is over, or that it is.
                answers = try await own.receiveMessages()
                #expect(answers.count == 1, "\(answers)")
                guard case .fail = answers.first else { throw CloudletError(.defect, "\(answers)") }
            }
            let others = [try await RawClient(port), try await RawClient(port)]
            for other in others { try await other.send(finish) }
            answers = []
            for other in others { answers += try await other.receiveMessages() }
            #expect(answers.count == 2, "\(answers)")
            #expect(answers.allSatisfy { [.success(.finish), Self.unknown(session)].contains($0) }, "\(answers)")
            switch moment {
            case .never, .failed: #expect(!answers.contains(.success(.finish)))
            case .receiving:
                #expect(answers.contains(.success(.finish)))
                #expect(try await own.receiveMessages().last == .fail(reason: "the client is done"))
            case .unused: #expect(answers.contains(.success(.finish)))
            case .resuming: break
            }
            try await until(5, "a VM is left") { backend.state.withLock { $0.running == 0 && $0.places == 0 } }
        }
    }

    @Test(
        "FINISH is understood from clients of all times",
        arguments: [
            // The original's Python client and its Android client, which say how long things took, or nothing.
            "86 b153796e7468657369732053756363657373 cb3fcfc9fe00000000 aa73657373696f6e5f6964 cfSESSION a7636f6d6d616e64 13 a741707020456e64 cb400fb4b2e0000000 ac5472616e7366657220456e64 cb3fa965f000000000 a9417070205374617274 cb3fcfd68400000000",
            "83 a74d656173757265 b14e6f7420617661696c61626c6520796574 aa73657373696f6e5f6964 cfSESSION a7636f6d6d616e64 13",
            // Texts in the forms of newer encoders: str8 and bin8; a number with a sign.
            "82 d90a73657373696f6e5f6964 cfSESSION c407636f6d6d616e64 cc13",
            "82 c40a73657373696f6e5f6964 d3SESSION d907636f6d6d616e64 d013",
        ])
    func finishForms(form: String) async throws {
        let overlay = try service.overlay()
        try await service.run { [backend = service.backend] _, port in
            let session = try await RawClient.runSession(port, overlay)
            let digits = String(session.value, radix: 16)
            let number = String(repeating: "0", count: 16 - digits.count) + digits
            let body = hex(form.replacing("SESSION", with: number))
            let length = [0, 0, UInt8(body.count >> 8), UInt8(body.count & 0xFF)]
            let other = try await RawClient(port)
            try await other.send(length + body)
            #expect(try await other.receiveMessages() == [.success(.finish)])
            #expect(backend.state.withLock { $0.running == 0 && $0.ended == 1 })
        }
    }

    @Test("what is remembered of a client's finished sessions is not forgotten for those of one who has more")
    func finishedSessions() {
        var finished = FinishedSessions()
        let start = ContinuousClock.now
        func note(_ number: Int, of client: String, after seconds: Int = 0) {
            finished.note(SessionID(UInt64(number)), of: client, at: start + .seconds(seconds), perClient: 4, total: 6)
        }
        func close(_ numbers: ClosedRange<Int>) -> [Bool] { numbers.map { finished.close(SessionID(UInt64($0))) } }
        note(1, of: "a")
        for number in 11...20 { note(number, of: "greedy", after: number) }
        // Four are its share.
        #expect(close(16...16) == [false])
        // Noted by several connections; it is still one.
        for _ in 0..<3 { note(1, of: "a") }
        note(2, of: "b", after: 30)
        // Six are kept; who comes anew displaces the greediest's oldest.
        note(3, of: "c", after: 31)
        #expect(close(11...20) == [Bool](repeating: false, count: 7) + [true, true, true])
        #expect(close(1...3) == [true, true, true] && close(1...3) == [false, false, false])
        // Where no other has more it is the client's own oldest that is forgotten, and nobody is kept out for ever.
        for number in 1...6 { note(number, of: "\(number)", after: number) }
        note(7, of: "6", after: 7)
        #expect(close(6...6) == [false])
        note(8, of: "new", after: 8)
        #expect(close(1...8) == [false, true, true, true, true, false, true, true])
        note(9, of: "a", after: 10)
        finished.forget(olderThan: .seconds(120), at: start + .seconds(130))
        #expect(close(9...9) == [false])
    }

    @Test("a session is either begun or given up, never both, and its end has a reason")
    func beginOrEnd() async {
        for round in 0..<300 {
            let session = Session(id: SessionID(UInt64(round + 1)), client: "a")
            let digest = SHA256Digest(hashing: [1].span)
            let ends = { @Sendable in
                round.isMultiple(of: 2) ? session.endIfUnused() : session.requestEnd(.closed) == .ended
            }
            // Both orders, and both at once where there are several processors.
            let early = round % 4 < 2 ? Task.detached { ends() } : nil
            let begun = Task.detached { session.begin(meta: digest) }
            let ended = early ?? Task.detached { ends() }
            let (isBegun, isEnded) = (await begun.value, await ended.value)
            #expect(isBegun != isEnded)
            #expect(session.status.stage == (isBegun ? .waiting : .ended))
        }
        let session = Session(id: SessionID(1), client: "a")
        #expect(session.requestEnd(.stopped) == .ended)
        await session.wait(for: .endRequested)
        #expect(session.endReason == .stopped)
        session.note(.received(bytes: 1))
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
                await server.table.takeEnded().first?.endReason?.description.contains("/home/ann/.cloudlet/x/base-mem")
                    == true
            }
        }
    }
}
