// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletControl
import CloudletCore
import CloudletOverlay
import CloudletSession
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Foundation
import Logging
import SystemPackage
import Testing

@testable import CloudletNode

/// Sessions listed, watched and stopped through the node's control requests.
@Suite(.timeLimit(.minutes(1))) struct SessionControlTests {
    /// Runs no overlays; the sessions here have their VMs already.
    private struct NoBackend: SynthesisBackend {
        static let reason = CloudletError(.unavailable, "not in this test")

        func admit(
            _ request: SynthesisRequest, progress: @escaping @Sendable (SynthesisProgress) -> Void
        ) async throws(CloudletError) -> AdmittedSynthesis { throw Self.reason }

        func synthesize(
            _ request: SynthesisRequest, boots: Bool, from pieces: BlobChannel,
            progress: @escaping @Sendable (SynthesisProgress) -> Void
        ) async throws(CloudletError) -> any SynthesizedVM { throw Self.reason }

        func fetch(_ url: String, for client: String) async throws(CloudletError) -> OverlaySource { throw Self.reason }
        func note(_ status: SessionStatus) async {}
        func resources() async -> NodeResources { NodeResources() }
    }

    /// A VM that takes as long to end as its test wants.
    private final class SlowVM: SynthesizedVM {
        let name = "slow"
        let details = ServerMessage.Details()
        let mayEnd = AsyncEvent()
        let isAsked = AsyncEvent()

        let failure = LockedValue<CloudletError?>(nil)

        func end() async throws(CloudletError) {
            isAsked.set()
            await mayEnd.wait()
            if let failure = failure.value { throw failure }
        }

        func waitForEnd() async -> CloudletError? {
            await AsyncEvent().wait()
            return nil
        }
    }

    /// What is sent to a client.
    private final class Client<Request: ControlRequest>: Sendable {
        private let replies = Mailbox<[UInt8]>()
        private let task: Task<Void, Never>

        init(_ request: Request, _ routes: ControlRoutes) throws {
            let line = Array(try JSONEncoder().encode(Message(request: Request.name, body: request)))
            task = Task { [replies] in
                try? await routes.serve(line) { replies.put($0) }
                replies.finish()
            }
        }

        deinit { task.cancel() }

        private struct Message: Encodable {
            let version = 1
            let request: String
            let body: Request
        }

        struct Reply: Decodable {
            struct Failure: Decodable {
                let code: String
                let message: String
            }
            let body: Request.Reply?
            let error: Failure?
        }

        /// The number of replies that were not taken yet.
        var waiting: Int { replies.count }

        func next() async throws -> Reply? {
            try await replies.next().map { try JSONDecoder().decode(Reply.self, from: Data($0)) }
        }
    }

    private let scratch: ScratchDirectory
    private let registry: NodeRegistry
    private let server: SessionServer
    private let journal: SessionJournal
    private let machine = SlowVM()
    private let unended: UnendedVMs
    private let id = SessionID(42)
    private var routes = ControlRoutes()

    init() throws {
        scratch = try ScratchDirectory()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        registry = NodeRegistry(scratch.file("cloudlet.db"), logger: logger)
        unended = UnendedVMs(logger: logger)
        server = SessionServer(backend: NoBackend(), unended: unended, logger: logger)
        journal = SessionJournal(registry: registry, table: server.table)
        SessionControl(journal: journal, table: server.table, unended: unended, logger: logger).add(to: &routes)
    }

    /// Runs `body` while a session lives whose VM was adopted.
    private func withSession(_ body: @escaping @Sendable () async throws -> Void) async throws {
        var status = SessionStatus(id: id, client: "192.0.2.1", created: Date(timeIntervalSince1970: 5))
        status.stage = .running
        status.appName = "face"
        let adopted = AdoptedSession(status: status, machine: machine, reservation: Reservation(release: {}))
        let (listeners, end) = AsyncStream.makeStream(of: SessionListener.self)
        let serving = Task { [server] in await server.serve(listeners, adopting: [adopted]) }
        var changes = server.table.changes.values().makeAsyncIterator()
        while await server.table.statuses().isEmpty { _ = await changes.next() }
        do { try await body() } catch {
            machine.mayEnd.set()
            serving.cancel()
            throw error
        }
        machine.mayEnd.set()
        end.finish()
        serving.cancel()
        await serving.value
    }

    @Test("a session that is stopped is reported as ended when its VM is gone, and not before")
    func stop() async throws {
        try await registry.open()
        try await withSession { [self] in
            let list = try await Client(ListSessions(), routes).next()?.body
            #expect(list?.sessions.map(\.id) == [id])
            #expect(list?.sessions.first?.app == "face" && list?.sessions.first?.client == "192.0.2.1")
            let client = try Client(StopSession(id), routes)
            #expect(try await client.next()?.body == .ending)
            await machine.isAsked.wait()
            #expect(try await Client(ListSessions(), routes).next()?.body?.sessions.map(\.stage) == [.running])
            #expect(client.waiting == 0)
            machine.mayEnd.set()
            #expect(try await client.next()?.body == .ended)
            #expect(try await client.next() == nil)
            // It is listed until the registry has it.
            let ended = try #require(try await Client(ListSessions(), routes).next()?.body?.sessions.first)
            #expect(ended.reason == "it was stopped on the node" && ended.ended != nil)
            #expect(await registry.flush())
            #expect(try await Client(ListSessions(), routes).next()?.body?.sessions.isEmpty == true)
            #expect(try Registry(scratch.file("cloudlet.db")).session(id)?.reason == "it was stopped on the node")
            #expect(try await Client(StopSession(id), routes).next()?.error?.code == "not-found")
        }
    }

    @Test("sessions are listed and stopped while another program has the registry for itself")
    func locked() async throws {
        let path = scratch.file("cloudlet.db")
        try Registry(path).write([SessionRecord(id: SessionID(1), stage: .running, client: "192.0.2.2", created: 1)])
        let script = """
            import sqlite3, sys, time
            c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
            for word in ("pragma locking_mode=exclusive", "begin exclusive"): c.execute(word).fetchall()
            print("held", flush=True)
            time.sleep(60)
            """
        _ = try await Tool.with("python3", ["-c", script, path.string], log: scratch.file("log")) { [self] program in
            try await program.waitFor("held")
            try await registry.open()
            let journaling = Task { try await journal.run() }
            defer { journaling.cancel() }
            try await withSession { [self] in
                machine.mayEnd.set()
                let listed = try await Client(ListSessions(), routes).next()?.body
                #expect(listed?.sessions.map(\.id) == [id])
                let client = try Client(StopSession(id), routes)
                #expect(try await client.next()?.body == .ending)
                #expect(try await client.next()?.body == .ended)
                let ended = try await Client(ListSessions(), routes).next()?.body
                #expect(ended?.sessions.map(\.reason) == ["it was stopped on the node"])
            }
        }
        try await until(5, "it is not written") { await registry.flush() }
        #expect(try Registry(path).session(id)?.stage == .ended)
    }

    @Test("one who watches gets the sessions at once and after each change")
    func watch() async throws {
        try await registry.open()
        let client = try Client(WatchSessions(), routes)
        #expect(try await client.next()?.body?.sessions.isEmpty == true)
        try await withSession { [self] in
            #expect(try await client.next()?.body?.sessions.map(\.stage) == [.running])
            machine.mayEnd.set()
            _ = try await Client(StopSession(id), routes).next()
            #expect(try await client.next()?.body?.sessions.map(\.stage) == [.ended])
        }
    }

    @Test("one who watches does not get the same list again")
    func watchEqual() async throws {
        try await registry.open()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        var routes = ControlRoutes()
        SessionControl(
            journal: journal, table: server.table, unended: unended, logger: logger, pace: .milliseconds(1)
        ).add(to: &routes)
        let client = try Client(WatchSessions(), routes)
        #expect(try await client.next()?.body?.sessions.isEmpty == true)
        for _ in 0..<20 {
            server.table.changes.update { $0 += 1 }
            // A change is noticed, or combined with the next one, at any time.
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(client.waiting == 0)
    }

    @Test("a session whose VM can't be ended is stopped, but its VM is not reported as ended")
    func unendedVM() async throws {
        try await registry.open()
        machine.failure.value = CloudletError(.unavailable, "its emulator does not react")
        try await withSession { [self] in
            machine.mayEnd.set()
            let client = try Client(StopSession(id), routes)
            #expect(try await client.next()?.body == .ending)
            let reply = try #require(try await client.next())
            #expect(reply.body == nil && reply.error?.code == "unavailable")
            #expect(reply.error?.message.contains("its VM can't be ended now") == true, "\(reply)")
        }
    }

    @Test("many who watch leave connections to others: one more is refused with a reason, until one has gone")
    func watchers() async throws {
        try await registry.open()
        #expect(SessionControl.maximumWatchers <= ControlServer.connections - 16)
        var clients = try (0..<SessionControl.maximumWatchers).map { _ in try Client(WatchSessions(), routes) }
        for client in clients { #expect(try await client.next()?.body?.sessions.isEmpty == true) }
        let refusal = try #require(try await Client(WatchSessions(), routes).next())
        #expect(refusal.error?.code == "busy" && refusal.error?.message.contains("watch the sessions") == true)
        #expect(try await Client(StopSession(id), routes).next()?.error?.code == "not-found")
        clients.removeLast()
        try await until(5, "nobody may watch") {
            try await Client(WatchSessions(), routes).next()?.body?.sessions.isEmpty == true
        }
    }

    @Test("what a session does is written when it changes")
    func written() async throws {
        try await registry.open()
        let journaling = Task { try await journal.run() }
        defer { journaling.cancel() }
        let path = scratch.file("cloudlet.db")
        try await withSession { [self] in
            try await until(5, "it is not written") { try Registry(path).session(id)?.stage == .running }
            machine.mayEnd.set()
            _ = try await Client(StopSession(id), routes).next()
            try await until(5, "its end is not written") { try Registry(path).session(id)?.stage == .ended }
        }
    }
}
