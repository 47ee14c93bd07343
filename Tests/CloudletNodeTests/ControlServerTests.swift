// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletControl
import CloudletCore
import CloudletNetwork
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import Glibc
import Logging
import ServiceLifecycle
import SystemPackage
import Testing

@testable import CloudletNode

/// The control socket, and peers that do not what they should.
@Suite(.timeLimit(.minutes(1))) struct ControlServerTests {
    private struct Ask: ControlRequest {
        static let name = "ask"
        typealias Reply = String
    }

    /// Replies without end.
    private struct Flood: ControlRequest {
        static let name = "flood"
        typealias Reply = String
    }

    /// Replies once, and does not end by itself.
    private struct Hold: ControlRequest {
        static let name = "hold"
        typealias Reply = String
    }

    let scratch: ScratchDirectory
    private let home: CloudletHome
    private let floodHasEnded = AsyncEvent()
    private let holdHasEnded = AsyncEvent()

    init() throws {
        scratch = try ScratchDirectory()
        home = try CloudletHome(scratch.file(String(repeating: "long", count: 40)))
    }

    /// Runs `body` while the socket is served.
    private func serving(
        timeout: Duration = .seconds(10), _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        var routes = ControlRoutes()
        routes.on(Ask.self) { (_, reply) async throws(CloudletError) in try await reply.send("answer") }
        routes.on(Flood.self) { [floodHasEnded] (_, reply) async throws(CloudletError) in
            defer { floodHasEnded.set() }
            let text = String(repeating: "x", count: 1 << 20)
            while !Task.isCancelled { try await reply.send(text) }
        }
        routes.on(Hold.self) { [holdHasEnded] (_, reply) async throws(CloudletError) in
            defer { holdHasEnded.set() }
            try await reply.send("held")
            await AsyncEvent().wait()
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = ControlServer(home: home, routes: routes, timeout: timeout, logger: logger)
        let group = ServiceGroup(services: [server], logger: logger)
        // The server closes it to other users.
        try Directory.create(home.controlDirectory, permissions: 0o755)
        let starts = try DirectoryWatch(home.controlDirectory)
        let running = Task { try await group.run() }
        repeat { _ = try await starts.waitForFile() } while !LocalStream.isAnswered(at: home.controlSocket)
        do { try await body() } catch {
            await group.triggerGracefulShutdown()
            throw error
        }
        await group.triggerGracefulShutdown()
        try await running.value
    }

    /// What a client gets that asks as it should; `nil` when nobody listens.
    private func answer() async throws -> String? { try await ControlClient(home).send(Ask())?.only() }

    /// A connection that has sent a text.
    private func connection(_ text: String) throws -> File {
        let socket = try #require(try LocalStream.connect(to: home.controlSocket))
        try socket.writeAll(Array(text.utf8).span)
        return socket
    }

    /// Everything that comes until the node closes the connection.
    private func reply(to text: String) async throws -> String { try await end(of: try connection(text)) }

    private func end(of socket: File) async throws -> String {
        try await blocking { () throws(CloudletError) in
            String(decoding: try socket.readToEnd(limit: 1 << 20), as: UTF8.self)
        }
    }

    @Test("the socket is its user's alone, in a directory that is, below a path of any length; it goes with the node")
    func modes() async throws {
        try Directory.create(home.controlDirectory)
        // What a node that died has left.
        _ = try LocalStream.listen(at: home.controlSocket)
        try await serving { [self] () async throws in
            #expect(home.controlSocket.string.utf8.count > 108)
            #expect(try FileStatus.of(home.controlSocket)?.permissions == 0o600)
            #expect(try FileStatus.of(home.controlDirectory)?.permissions == 0o700)
            #expect(try await answer() == "answer")
        }
        #expect(try Directory.names(in: home.controlDirectory).isEmpty)
        #expect(try await ControlClient(home).send(Ask()) == nil)
    }

    @Test("garbage and requests without end are refused with a reason, and others are served")
    func garbage() async throws {
        try await serving { [self] () async throws in
            #expect(try await reply(to: "GET / HTTP/1.1\r\n").contains("not a JSON object"))
            #expect(try await reply(to: "\0\u{FFFD}\n").contains(#""code":"protocol""#))
            #expect(try await reply(to: #"{"version":1,"request":"x","body":{}}"# + "\nmore").contains("'x'"))
            let long = try await reply(to: String(repeating: "a", count: ControlProtocol.maximumRequestBytes))
            #expect(long.contains("longer than 65536 bytes"), "\(long)")
            #expect(try await answer() == "answer")
        }
    }

    @Test("clients that send half a request, or nothing, are let go; others are served meanwhile and afterwards")
    func halfRequests() async throws {
        try await serving(timeout: .milliseconds(200)) { [self] () async throws in
            // More than are served at a time: the rest waits in the system's queue.
            let silent = try (0..<ControlServer.connections + 8).map { _ in try connection(#"{"version":"#) }
            #expect(try await answer() == "answer")
            for socket in silent {
                let end = try await blocking { () throws(CloudletError) in try socket.readToEnd(limit: 1000) }
                #expect(end.isEmpty)
            }
        }
    }

    @Test("a client that never reads is let go, and so is one that goes away")
    func unread() async throws {
        try await serving(timeout: .milliseconds(200)) { [self] () async throws in
            let socket = try connection(#"{"version":1,"request":"flood","body":{}}"# + "\n")
            await floodHasEnded.wait()
            #expect(floodHasEnded.isSet)
            withExtendedLifetime(socket) {}
        }
        let other = try Self()
        try await other.serving { [other] () async throws in
            let socket = try other.connection(#"{"version":1,"request":"flood","body":{}}"# + "\n")
            _ = try await blocking { () throws(CloudletError) in try socket.receive(atMost: 1, before: nil) }
            socket.shutDown()
            await other.floodHasEnded.wait()
            #expect(other.floodHasEnded.isSet)
        }
    }

    /// A connection that has sent a text and will send nothing more.
    private func halfConnection(_ text: String) throws -> File {
        let socket = try connection(text)
        #expect(shutdown(socket.descriptor, Int32(SHUT_WR)) == 0)
        return socket
    }

    @Test("a client that ends its side of the connection gets its replies; half a request ends it")
    func halfClosed() async throws {
        try await serving(timeout: .seconds(3600)) { [self] () async throws in
            let request = #"{"version":1,"request":"ask","body":{}}"# + "\n"
            #expect(try await end(of: try halfConnection(request)).contains("answer"))
            #expect(try await end(of: try halfConnection(String(request.dropLast(9)))).isEmpty)
            #expect(try await end(of: try halfConnection("")).isEmpty)
            do {
                let socket = try halfConnection(#"{"version":1,"request":"hold","body":{}}"# + "\n")
                _ = try await blocking { () throws(CloudletError) in try socket.receive(atMost: 100, before: nil) }
                #expect(!holdHasEnded.isSet)
            }
            // It has closed the other side, too.
            await holdHasEnded.wait()
            #expect(holdHasEnded.isSet)
        }
    }

    @Test("a request that does not end by itself is ended when the node stops")
    func stoppingRequest() async throws {
        // Open until the node has stopped: a request also ends when its client closes the connection.
        let client = LockedValue<File?>(nil)
        try await serving(timeout: .seconds(3600)) { [self] () async throws in
            let socket = try connection(#"{"version":1,"request":"hold","body":{}}"# + "\n")
            client.value = socket
            _ = try await blocking { () throws(CloudletError) in try socket.receive(atMost: 100, before: nil) }
        }
        #expect(holdHasEnded.isSet)
        withExtendedLifetime(client) {}
    }

    @Test("connections that were accepted but not served when the node stops are closed")
    func stopping() async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = ControlServer(home: home, routes: ControlRoutes(), timeout: .seconds(3600), logger: logger)
        try Directory.createPrivate(home.controlDirectory)
        let (channel, accepted) = try await server.accept(try LocalStream.listen(at: home.controlSocket))
        let sockets = try (0..<3).map { _ in try connection("") }
        try await until(5, "they are not accepted") { server.gate.open == 3 }
        await server.close(channel, accepted)
        for socket in sockets { #expect(try await end(of: socket).isEmpty) }
        // A client may see the end of its connection a moment before the server has counted it.
        try await until(5, "they are still counted") { server.gate.open == 0 }
    }

    @Test("another user is refused, also where the files' modes would let one in", .enabled(if: geteuid() == 0))
    func foreignUser() async throws {
        let script = """
            import os, socket, sys
            os.chdir(sys.argv[1]); os.setgid(54321); os.setuid(54321)
            s = socket.socket(socket.AF_UNIX); s.connect("node.sock")
            s.sendall(b'{"version":1,"request":"ask","body":{}}\\n')
            print(s.makefile().read())
            """
        try await serving { [self] () async throws in
            let denied = try await Tool.run("python3", ["-c", script, home.controlDirectory.string])
            #expect(denied.status != 0 && denied.errors.contains("PermissionError"), "\(denied)")
            try File.setPermissions(0o777, of: home.controlDirectory)
            try File.setPermissions(0o777, of: home.controlSocket)
            let refused = try await Tool.run("python3", ["-c", script, home.controlDirectory.string])
            #expect(refused.status == 0 && refused.output.contains(#""code":"permission""#), "\(refused)")
            #expect(!refused.output.contains("answer"))
            #expect(try await answer() == "answer")
        }
    }
}
