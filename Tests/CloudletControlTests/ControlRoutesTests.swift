// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import Foundation
import Synchronization
import Testing

@testable import CloudletControl

/// What the node replies to a line, without a socket.
@Suite struct ControlRoutesTests {
    private struct Echo: ControlRequest {
        static let name = "echo"
        typealias Reply = String
        let words: [String]
    }

    private func replies(to line: String) async throws -> [String] {
        var routes = ControlRoutes()
        routes.on(Echo.self) { (request, reply) async throws(CloudletError) in
            for word in request.words {
                guard word != "fail" else { throw CloudletError(.busy, "no room", advice: "wait") }
                try await reply.send(word)
            }
        }
        let sent = Mutex<[String]>([])
        try await routes.serve(Array(line.utf8)) { line in
            sent.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
        }
        return sent.withLock { $0 }
    }

    @Test("a request gets its replies, each on a line of its own")
    func replies() async throws {
        let lines = try await replies(to: #"{"version":1,"request":"echo","body":{"words":["a","b\n/c"],"later":1}}"#)
        #expect(lines == [#"{"body":"a","version":1}"# + "\n", #"{"body":"b\n/c","version":1}"# + "\n"])
    }

    @Test("what goes wrong after a reply is sent as an error with its code")
    func failure() async throws {
        let lines = try await replies(to: #"{"version":1,"request":"echo","body":{"words":["a","fail"]}}"#)
        #expect(lines.last == #"{"error":{"code":"busy","message":"no room; wait"},"version":1}"# + "\n")
    }

    @Test(
        "what is not a request of this version is refused with a reason, and nothing of it is done",
        arguments: [
            ("", "protocol", "not a JSON object"),
            ("GET / HTTP/1.1", "protocol", "not a JSON object"),
            ("[1]", "protocol", "not a JSON object"),
            (#"{"version":1}"#, "protocol", "not a JSON object with a version and a request"),
            (#"{"version":"1","request":"echo"}"#, "protocol", "not a JSON object with a version and a request"),
            (#"{"version":2,"request":"echo","body":{"words":["a"]}}"#, "protocol", "the request has version 2"),
            (#"{"version":1,"request":"reboot\u001b[2J"}"#, "usage", "does not know the request 'reboot"),
            (#"{"version":1,"request":"echo"}"#, "protocol", "wrong form"),
            (#"{"version":1,"request":"echo","body":{"words":[1]}}"#, "protocol", "wrong form"),
            (String(repeating: "[", count: 60_000), "protocol", "not a JSON object"),
        ])
    func refusal(line: String, code: String, words: String) async throws {
        let lines = try await replies(to: line)
        let reply = try ControlProtocol.read(ControlReplyMessage<String>.self, Array(try #require(lines.first).utf8))
        #expect(lines.count == 1 && reply.body == nil)
        #expect(reply.error?.code == code)
        let message = try #require(reply.error?.message)
        #expect(message.contains(words) && !message.contains("\u{1B}"), "\(message)")
    }

    @Test("a session is the same after its way through JSON, its number as text")
    func session() throws {
        var record = SessionRecord(id: SessionID(.max), stage: .running, client: "192.0.2.1", created: 5)
        let bare = SessionList([record])
        #expect(try ControlProtocol.read(SessionList.self, try ControlProtocol.line(bare)) == bare)
        (record.app, record.base, record.vm, record.reason) = ("fa\"ce", "ab", "vm", "why")
        (record.forwards, record.receivedBytes, record.place) = (["tcp:1::2"], 7, 3)
        (record.ended, record.failure) = (9, "busy")
        let line = try ControlProtocol.line(SessionList([record]))
        #expect(String(decoding: line, as: UTF8.self).contains(#""id":"18446744073709551615""#))
        #expect(try ControlProtocol.read(SessionList.self, line).sessions == [record])
    }
}
