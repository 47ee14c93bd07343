// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMessagePack
import CloudletOverlay
import CloudletTestSupport
import CloudletWire
import Testing

@Suite struct ConversationTests {
    private let session = SessionID(12_345_678_901_234_567)

    private func frame(_ message: ClientMessage) -> [UInt8] { Frame.encode(message.value) }

    private func started(_ blobs: [BlobRequests.Blob]) throws -> (ServerConversation, [ServerMessage]) {
        var server = ServerConversation()
        let meta: [UInt8] = [1, 2, 3]
        let events = try server.receive((frame(.sendMeta(.init(size: 3, session: session))) + meta)[...])
        #expect(events == [.meta(.init(size: 3, session: session), meta)])
        let answers = server.beginTransfer(blobs)
        return (server, answers)
    }

    @Test("a whole session, in pieces of any size", arguments: [1, 2, 3, 5, 8, 1000])
    func wholeSession(piece: Int) throws {
        let blobs = [
            BlobRequests.Blob(name: "a", size: 600_000), .init(name: "b", size: 10), .init(name: "c", size: 0),
        ]
        var (server, answers) = try started(blobs)
        #expect(answers == [.success(.sendMeta), .onDemand("a")])
        var stream = frame(.sendOverlay(name: "a", size: 600_000, session: session))
        stream += [UInt8](repeating: 7, count: 600_000)
        stream += frame(.sendOverlay(name: "c", size: 0, session: session))
        stream += frame(.sendOverlay(name: "b", size: 10, session: session)) + [UInt8](repeating: 8, count: 10)
        var events: [ServerConversation.Event] = []
        var received = 0
        for start in stride(from: 0, to: stream.count, by: piece * 100) {
            for event in try server.receive(stream[start..<min(stream.count, start + piece * 100)]) {
                guard case .blob(let blobPiece) = event, case .bytes(let bytes) = blobPiece else {
                    events.append(event)
                    continue
                }
                received += bytes.count
            }
        }
        #expect(received == 600_010)
        #expect(
            events == [
                .blob(.begin(0)), .blob(.end), .request(["b", "c"]), .blob(.begin(2)), .blob(.end), .blob(.begin(1)),
                .blob(.end), .allReceived,
            ])
        #expect(!server.mayEnd)
        _ = server.markRunning(.synthesisDone())
        #expect(server.mayEnd)
        #expect(try server.receive(frame(.finish(session: session, statistics: []))[...]) == [.finish(session)])
    }

    @Test("blobs are asked for until 512 KiB are under way, each once, a preferred one first")
    func requests() throws {
        var requests = BlobRequests(
            (0..<6).map { .init(name: "\($0)", size: 200_000) }, present: [1])
        #expect(requests.next() == ["0", "2", "3"])
        requests.prefer(5)
        #expect(requests.next() == [])
        #expect(throws: WireError.unknownBlob("4")) { try requests.begin("4", size: 200_000) }
        #expect(throws: WireError.unknownBlob("1")) { try requests.begin("1", size: 200_000) }
        #expect(throws: WireError.wrongBlobSize("2", 5, expected: 200_000)) { try requests.begin("2", size: 5) }
        let index = try requests.begin("2", size: 200_000)
        requests.complete(index)
        #expect(requests.next() == ["5"])
        #expect(throws: WireError.unknownBlob("2")) { try requests.begin("2", size: 200_000) }
        for name in ["0", "3", "5"] { requests.complete(try requests.begin(name, size: 200_000)) }
        #expect(requests.next() == ["4"] && !requests.isComplete)
        requests.complete(try requests.begin("4", size: 200_000))
        #expect(requests.isComplete)
    }

    @Test("after a blob that broke off, that one must come first, and those that came need not")
    func brokenOff() throws {
        let blobs = (0..<4).map { BlobRequests.Blob(name: "\($0)", size: 10) }
        var requests = BlobRequests(blobs, present: [0], first: 2)
        #expect(requests.next() == ["2", "1", "3"])
        #expect(throws: WireError.notTheBrokenOffBlob) { try requests.begin("1", size: 10) }
        requests.complete(try requests.begin("2", size: 10))
        for name in ["3", "1"] { requests.complete(try requests.begin(name, size: 10)) }
        #expect(requests.isComplete)
    }

    @Test("what has no place in a state is refused")
    func wrongOrder() throws {
        var idle = ServerConversation()
        #expect(throws: WireError.self) {
            try idle.receive(frame(.sendOverlay(name: "a", size: 1, session: session))[...])
        }
        var (transfer, _) = try started([.init(name: "a", size: 10)])
        for message in [
            ClientMessage.createSession, .sendMeta(.init(size: 1, session: session)), .closeSession(session),
        ] {
            var copy = transfer
            #expect(throws: WireError.self) { try copy.receive(frame(message)[...]) }
        }
        #expect(throws: WireError.unknownBlob("b")) {
            try transfer.receive(frame(.sendOverlay(name: "b", size: 10, session: session))[...])
        }
    }

    @Test("short commands are events of their own, several on one connection too")
    func shortCommands() throws {
        var server = ServerConversation()
        let stream =
            frame(.createSession) + frame(.resourceInfo) + frame(.closeSession(nil))
            + frame(.finish(session: session, statistics: []))
        #expect(
            try server.receive(stream[...]) == [.createSession, .resourceInfo, .closeSession(nil), .finish(session)])
        #expect(server.mayEnd)
    }

    @Test("announced sizes above the limit are refused before a byte comes")
    func limits() throws {
        var server = ServerConversation()
        #expect(throws: WireError.messageTooLong(0x7FFF_FFFF, limit: 64 << 10)) {
            try server.receive(hex("7fffffff")[...])
        }
        var other = ServerConversation()
        #expect(throws: WireError.self) {
            try other.receive(frame(.sendMeta(.init(size: 1 << 40, session: session)))[...])
        }
        var garbage = ServerConversation()
        #expect(throws: WireError.self) { try garbage.receive(Array("GET / HTTP/1.1\r\n\r\n".utf8)[...]) }
    }

    @Test("the client answers each request once and takes a server at its word")
    func client() throws {
        var client = ClientConversation(blobNames: ["a", "b"])
        func bytes(_ message: ServerMessage) -> ArraySlice<UInt8> { Frame.encode(message.value)[...] }
        #expect(try client.receive(bytes(.success(.sendMeta))) == [.metaAccepted])
        #expect(try client.receive(bytes(.onDemand("b")) + bytes(.onDemand("a"))) == [.send(1), .send(0)])
        #expect(throws: WireError.self) { try client.receive(bytes(.onDemand("a"))) }
        var other = ClientConversation(blobNames: ["a"])
        #expect(throws: WireError.unknownBlob("../x")) { try other.receive(bytes(.onDemand("../x"))) }
        var zero = ClientConversation()
        #expect(throws: WireError.self) { try zero.receive(bytes(.success(.createSession, session: SessionID(0)))) }
        var plain = ClientConversation()
        #expect(try plain.receive(bytes(.fail(reason: "x"))) == [.failed(reason: "x", code: nil)])
        let progress = bytes(.progress(stage: .resuming, percent: nil)) + bytes(.progress(stage: nil, percent: 7))
        // A stage of a later version is passed over.
        #expect(try plain.receive(progress) == [.progress(stage: .resuming, percent: nil)])
        let queued = bytes(.progress(stage: .waiting, percent: nil, position: 3))
        #expect(try plain.receive(queued) == [.queued(position: 3)])
    }
}
