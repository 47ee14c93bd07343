// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import GRDB
import SystemPackage
import Testing

@testable import CloudletStore

@Suite struct SessionRecordTests {
    let registry: Registry
    private let scratch: ScratchDirectory

    init() throws {
        scratch = try ScratchDirectory()
        registry = try Registry(scratch.file("cloudlet.db"))
    }

    private func record(_ id: UInt64, _ stage: SynthesisStage = .running) -> SessionRecord {
        var record = SessionRecord(id: SessionID(id), stage: stage, client: "10.0.0.1", created: Int(id % 1000))
        record.app = "face"
        record.forwards = ["10.0.0.2 tcp:80::80", "10.0.0.2 tcp:22::22"]
        record.vm = "vm-\(id)"
        record.bootReason = id == 1 ? "made under kvm" : nil
        record.receivedBytes = 77
        record.place = 3
        if stage == .ended {
            record.ended = Int(id % 1000)
            record.reason = "the client is done"
            record.failure = "busy"
        }
        return record
    }

    @Test("what is written is read back, by another program too, the greatest number included")
    func roundTrip() throws {
        let records = [record(1), record(2, .ended), record(.max - 1)]
        try registry.write(records)
        let other = try Registry(scratch.file("cloudlet.db"))
        #expect(try other.sessions(all: true).sorted { $0.id.value < $1.id.value } == records)
        #expect(Set(try other.sessions().map(\.id.value)) == [1, .max - 1])
    }

    @Test("sessions of a version before, marks to stop them included, are read and gone on with")
    func oldSessions() async throws {
        let code = """
            import sqlite3, sys
            c = sqlite3.connect(sys.argv[1])
            c.execute("ALTER TABLE session ADD COLUMN stop_wanted BOOLEAN NOT NULL DEFAULT 0")
            c.execute("UPDATE session SET stop_wanted = 1 WHERE id = '1'")
            c.execute("DELETE FROM grdb_migrations WHERE identifier = 'no stop marks of sessions'")
            c.commit()
            """
        let path = scratch.file("old.db")
        // Closed at once: a program that can't change the tables must have the database for itself.
        do { try Registry(path).write([record(1), record(2)]) }
        let made = try await Tool.run("python3", ["-c", code, path.string])
        #expect(made.status == 0, "\(made.errors)")
        // Also by a program that can't change the tables.
        do { #expect(try Registry(alone: path).sessions() == [record(1), record(2)]) }
        let new = try Registry(path)
        #expect(try new.sessions() == [record(1), record(2)])
        try new.write([record(1, .ended)])
        #expect(try new.sessions() == [record(2)])
        let columns = try new.read { try $0.columns(in: "session").map(\.name) }
        #expect(!columns.contains("stop_wanted") && columns.contains("failure"))
    }

    @Test("live sessions of a dead node are marked, except those that go on; the oldest ended ones are forgotten")
    func reconcile() throws {
        try registry.write([record(1), record(2), record(3, .ended)])
        let marked = try registry.endSessions(except: [SessionID(2)], at: 50, reason: "the node died")
        #expect(marked.map(\.id.value) == [1])
        let first = try #require(try registry.session(SessionID(1)))
        #expect(first.stage == .ended && first.ended == 50 && first.reason == "the node died" && first.place == nil)
        #expect(try registry.sessions().map(\.id.value) == [2])
        try registry.write((10..<20).map { record($0, .ended) }, keepingEnded: 4)
        #expect(try Set(registry.sessions(all: true).map(\.id.value)) == [1, 2, 17, 18, 19])
    }
}
