// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletControl

/// A client, and nodes that do not what they should.
@Suite(.timeLimit(.minutes(1))) struct ControlClientTests {
    let scratch: ScratchDirectory
    private let home: CloudletHome

    init() throws {
        scratch = try ScratchDirectory()
        home = try CloudletHome(scratch.file("home"))
        try Directory.createPrivate(home.controlDirectory)
    }

    /// Runs `body` while a peer listens at the control socket; after a request it does what `code` says with the
    /// connection `c`.
    private func with<Value: Sendable>(
        _ code: String, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let script = """
            import os, socket, sys, time
            os.chdir(sys.argv[1])
            if os.path.exists("node.sock"): os.remove("node.sock")
            s = socket.socket(socket.AF_UNIX); s.bind("node.sock"); s.listen(1)
            print("listening", flush=True)
            while True:
                c, _ = s.accept(); request = c.recv(65536)
                \(code)
                c.close()
            """
        return try await Tool.with(
            "python3", ["-c", script, home.controlDirectory.string],
            log: scratch.file("log-\(UInt64.random(in: 0 ... .max))")
        ) { peer in
            try await peer.waitFor("listening")
            return try await body()
        }.value
    }

    private func error(_ code: String) async throws -> CloudletError? {
        try await with(code) { [home] in
            do throws(CloudletError) {
                _ = try await ControlClient(home).send(ListSessions())?.only()
                return nil
            } catch {
                return error
            }
        }
    }

    @Test("a reply may come in pieces, several at once, and the end of the connection is the end of the replies")
    func pieces() async throws {
        try await with(
            #"c.sendall(b'{"body":"end'); time.sleep(.05); c.sendall(b'ing","version":1}\n{"body":"ended","version":1}\n')"#
        ) {
            [home] in
            let replies = try #require(try await ControlClient(home).send(StopSession(SessionID(1))))
            #expect(try await replies.next(within: .seconds(10)) == .ending)
            #expect(try await replies.next(within: .seconds(10)) == .ended)
            #expect(try await replies.next(within: .seconds(10)) == nil)
        }
    }

    @Test("the client says what it does not understand")
    func misunderstanding() async throws {
        let garbage = try await error(#"c.sendall(b'HTTP/1.1 400 Bad Request\n')"#)
        #expect(garbage?.code == .protocolViolation)
        let later = try await error(#"c.sendall(b'{"version":9,"answer":1}\n')"#)
        #expect(later?.code == .protocolViolation)
        #expect(later?.description.contains("version 9") == true && later?.advice != nil, "\(later as Any)")
        let readable = try await error(#"c.sendall(b'{"version":9,"body":{"sessions":[]}}\n')"#)
        #expect(readable?.code == .protocolViolation, "\(readable as Any)")
        let endless = try await error("c.sendall(bytes(64 << 20))")
        #expect(endless?.code == .protocolViolation && endless?.message.contains("too long") == true)
        let refusal = try await error(
            #"c.sendall(b'{"version":9,"error":{"code":"not-found","message":"there is none"}}\n')"#)
        #expect(refusal?.code == .notFound && refusal?.message == "there is none")
        let unknown = try await error(#"c.sendall(b'{"version":1,"error":{"code":"new","message":"m"}}\n')"#)
        #expect(unknown?.code == .unavailable)
    }

    @Test("a node that closes the connection without a reply is reported")
    func silentEnd() async throws {
        let error = try await error("pass")
        #expect(error?.code == .unavailable && error?.description.contains("before it replied") == true)
    }

    @Test("a node that does not answer is given up, and who is interrupted does not wait for it")
    func timeout() async throws {
        try await with("time.sleep(60)") { [home] in
            let replies = try #require(try await ControlClient(home).send(ListSessions()))
            let error = await #expect(throws: CloudletError.self) { try await replies.next(within: .milliseconds(50)) }
            #expect(error?.code == .unavailable && error?.description.contains("does not answer") == true)
            #expect(error?.description.contains("within 0.050 s") == true, "\(error as Any)")
            let waiting = Task { try await replies.next(within: nil) }
            waiting.cancel()
            let end = await #expect(throws: CloudletError.self) { try await waiting.value }
            #expect(end?.code == .interrupted)
        }
    }

    @Test("where nobody listens there is no node: no directory, no socket, a socket of one that died, another file")
    func nobody() async throws {
        let client = ControlClient(home)
        #expect(try await client.send(ListSessions()) == nil)
        _ = try LocalStream.listen(at: home.controlSocket)
        #expect(try FileStatus.of(home.controlSocket) != nil)
        #expect(try await client.send(ListSessions()) == nil)
        try FileSystem.remove(home.controlSocket)
        _ = try File(home.controlSocket, .create(permissions: 0o600))
        #expect(try await client.send(ListSessions()) == nil)
        try FileSystem.remove(home.controlDirectory)
        #expect(try await client.send(ListSessions()) == nil)
    }
}
