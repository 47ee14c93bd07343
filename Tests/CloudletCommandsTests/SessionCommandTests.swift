// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletControl
import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Logging
import ServiceLifecycle
import SystemPackage
import Testing

@testable import CloudletCommands
@testable import CloudletNode

extension CommandTests {
    /// `list-session` and `stop-session`, with a node of which only the control socket exists, or without a node.
    @Suite struct SessionCommandTests {
        private let home: Home
        init() throws { home = try Home() }

        private func record(_ id: UInt64, _ stage: SynthesisStage, created: Int = 5) -> SessionRecord {
            SessionRecord(id: SessionID(id), stage: stage, client: "192.0.2.1", created: created)
        }

        /// Runs `body` while a node with these sessions answers.
        private func withNode(
            _ sessions: [SessionRecord], ending: StopSession.Reply? = .ended,
            _ body: @escaping @Sendable () async throws -> Void
        ) async throws {
            var routes = ControlRoutes()
            routes.on(ListSessions.self) { (_, reply) async throws(CloudletError) in
                try await reply.send(SessionList(sessions))
            }
            routes.on(WatchSessions.self) { (_, reply) async throws(CloudletError) in
                for count in 0...sessions.count { try await reply.send(SessionList(Array(sessions.prefix(count)))) }
                // Like a node, keeps the connection open until the client closes it or the node ends: nothing sets this
                // event.
                await AsyncEvent().wait()
            }
            routes.on(StopSession.self) { (request, reply) async throws(CloudletError) in
                guard sessions.contains(where: { $0.id == request.session }) else {
                    throw CloudletError(.notFound, "there is no live session \(request.session)")
                }
                try await reply.send(.ending)
                if let ending { try await reply.send(ending) }
            }
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let path = try CloudletHome(home.path)
            let group = ServiceGroup(
                services: [ControlServer(home: path, routes: routes, logger: logger)], logger: logger)
            let starts = try NodeControl(home: path).watch()
            let running = Task { try await group.run() }
            repeat { _ = try await starts.waitForFile() } while !LocalStream.isAnswered(at: path.controlSocket)
            do { try await body() } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await running.value
        }

        @Test("without a node, no session is listed as live, whatever the registry contains; --all lists all of them")
        func noNode() async throws {
            let header = "ID STAGE CLIENT APP BASE AGE PORTS"
            #expect(await home.run("list-session").rows == [header])
            try home.registry().write([record(1, .running), record(2, .ended)])
            #expect(await home.run("list-session").rows == [header])
            let all = await home.run("list-session", "--all")
            #expect(all.status == 0 && all.rows.first == header + " OR REASON" && all.rows.count == 3, "\(all)")
            let none = await home.run("list-session", "--format", "json")
            #expect(none.status == 0 && none.output.filter { !$0.isWhitespace } == "[]")
        }

        @Test("the node's sessions are listed although the registry is damaged; --all adds those in the registry")
        func listed() async throws {
            var waiting = record(7, .waiting)
            waiting.place = 2
            try home.registry().write([record(1, .ended, created: 1), record(7, .receiving)])
            try await withNode([waiting, record(8, .ended, created: 9)]) { [home] in
                let live = await home.run("list-session", "--format", "json")
                let entries = try #require(
                    try JSONSerialization.jsonObject(with: Data(live.output.utf8)) as? [[String: Any]])
                #expect(entries.map { $0["id"] as? String } == ["7"] && entries.first?["place"] as? Int == 2)
                // The node's reply takes precedence over the registry.
                let all = await home.run("list-session", "--all")
                #expect(all.rows.dropFirst().map { $0.prefix { $0 != " " } } == ["1", "7", "8"], "\(all.output)")
                #expect(all.rows.contains { $0.hasPrefix("7 waiting (position 2) 192.0.2.1 - - ") }, "\(all.output)")
                for suffix in ["-wal", "-shm"] { try FileSystem.remove(home.path.appending("cloudlet.db" + suffix)) }
                try File(home.path.appending("cloudlet.db"), .readWrite).write(
                    [UInt8](repeating: 7, count: 8192), at: 0)
                #expect(await home.run("list-session").rows.count == 2)
                let damaged = await home.run("list-session", "--all")
                #expect(damaged.status == 65, "\(damaged)")
            }
        }

        @Test("stop-session ends a session, and returns when the node reports its end")
        func stop() async throws {
            try await withNode([record(7, .running)]) { [home] in
                let stopped = await home.run("stop-session", "7")
                #expect(stopped.status == 0 && stopped.output == "session 7 has ended\n", "\(stopped)")
                #expect(await home.run("stop-session", "8").status == 66)
            }
        }

        @Test("a node that ends before the session is reported")
        func nodeEnds() async throws {
            try await withNode([record(7, .running)], ending: nil) { [home] in
                let stopped = await home.run("stop-session", "7")
                #expect(stopped.status == 69 && stopped.errors.contains("session 7"), "\(stopped)")
            }
        }

        @Test(
            "without a node, no session can be stopped: one that a node left is reported as such, others are not found")
        func stopWithoutNode() async throws {
            #expect(await home.run("stop-session", "7").status == 66)
            try home.registry().write([record(7, .running), record(8, .ended)])
            let left = await home.run("stop-session", "7")
            #expect(left.status == 69 && left.errors.contains("start cloudlet-node"), "\(left)")
            #expect(await home.run("stop-session", "8").status == 66)
        }

        @Test("a node without a control socket is reported")
        func noSocket() async throws {
            let path = try CloudletHome(home.path)
            let root = try HypervisorRoot(under: path.hypervisors, role: .node)
            let listed = await home.run("list-session")
            #expect(listed.status == 69 && listed.errors.contains("has no control socket"), "\(listed)")
            withExtendedLifetime(root) {}
        }

        @Test("--watch lists every change: without a node, when a node starts, and when it has ended")
        func watch() async throws {
            let log = home.scratch.file("watch.log")
            _ = try await Tool.with(
                Self.program, ["list-session", "--watch"], environment: ["CLOUDLET_HOME": home.path.string], log: log
            ) { watch in
                try await watch.waitFor("PORTS")
                try await withNode([record(7, .running), record(8, .running)]) {
                    try await watch.waitFor("\n8 ")
                }
                try await until(10, "the end is not shown") { watch.output.hasSuffix("PORTS\n") }
                #expect(watch.isRunning)
                #expect(watch.output.components("PORTS") == 4, "\(watch.output)")
            }
        }

        @Test("--watch ends when nobody reads the list any more, also if no session changes")
        func unread() async throws {
            let result = try await Tool.run(
                "timeout",
                ["20", "bash", "-c", "\"$0\" list-session --watch | head -n 1; exit ${PIPESTATUS[0]}", Self.program],
                environment: ["CLOUDLET_HOME": home.path.string])
            #expect(result.status == 0 && result.output.contains("PORTS"), "\(result)")
        }

        private static let program = Repository.programs.appending("cloudlet").string
    }
}
