import CloudletCore
import CloudletStore
import CloudletTestSupport
import Testing

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

    @Test("a wish to stop a session stays while the node writes on, and is gone with the session")
    func wish() throws {
        try registry.write([record(1)])
        #expect(try registry.wantStop(of: SessionID(1)))
        try registry.write([record(1, .resuming)])
        #expect(try registry.sessionsToStop() == [SessionID(1)])
        try registry.write([record(1, .ended)])
        #expect(try registry.sessionsToStop().isEmpty)
        #expect(try !registry.wantStop(of: SessionID(1)))
        #expect(try !registry.wantStop(of: SessionID(9)))
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
