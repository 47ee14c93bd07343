// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import GRDB
import SystemPackage
import Testing

@testable import CloudletStore

/// Rows that something else has written to, or a disk has damaged.
@Suite struct DamagedRegistryTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private func execute(_ statement: String) async throws {
        let code = """
            import sqlite3, sys
            c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()
            """
        let result = try await Tool.run("python3", ["-c", code, scratch.file("r.db").string, statement])
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test(
        "a damaged entry of a base VM leaves the others in use, is named, and can be removed",
        arguments: [
            "hash_value = 'x'", "memory_hash = ''", "disk_bytes = 'many'", "memory_bytes = -1",
            "memory_bytes = 9223372036854775807", "created = x'00'",
        ])
    func base(damage: String) async throws {
        let registry = try Registry(scratch.file("r.db"))
        for (index, name) in ["/a/one.raw", "/a/two.raw"].enumerated() {
            let content = UInt8(index)
            try registry.add(
                BaseVM(
                    files: BaseFiles(disk: FilePath(name)), hash: SHA256Digest(hashing: [content].span),
                    memoryHash: SHA256Digest(hashing: [content, 1].span), diskBytes: 2 << 30, diskModified: 5,
                    memoryBytes: 1 << 30, accelerator: "tcg", created: 1_700_000_000))
        }
        try await execute("UPDATE base_vm SET \(damage) WHERE disk_path = '/a/one.raw'")
        #expect(try registry.bases().map(\.files.disk) == ["/a/two.raw"])
        #expect(try registry.damaged() == ["/a/one.raw"])
        let error = #expect(throws: CloudletError.self) { try registry.base(disk: "/a/one.raw") }
        #expect(error?.code == .badData)
        #expect(try registry.removeDamaged(disk: "/a/one.raw"))
        #expect(try registry.damaged().isEmpty && registry.bases().count == 1)
        #expect(try registry.base(disk: "/a/one.raw") == nil)
    }

    @Test("a damaged session hides no other, and is forgotten when the node starts")
    func session() async throws {
        try Registry(scratch.file("r.db")).write(
            (1...3).map { SessionRecord(id: SessionID($0), stage: .running, client: "c", created: 1) })
        try await execute("UPDATE session SET created = 'x', received_bytes = 'y' WHERE id = '1'")
        try await execute("UPDATE session SET id = 'z' WHERE id = '2'")
        // By one who has the database for itself, and as usual.
        do { #expect(try Registry(alone: scratch.file("r.db")).sessions().map(\.id) == [SessionID(3)]) }
        let registry = try Registry(scratch.file("r.db"))
        #expect(try registry.sessions().map(\.id) == [SessionID(3)])
        #expect(try registry.session(SessionID(1)) == nil)
        #expect(try registry.endSessions(except: [], at: 5, reason: "r").map(\.id) == [SessionID(3)])
        #expect(try registry.sessions(all: true).map(\.id) == [SessionID(3)])
        let ids = try registry.read { try String.fetchAll($0, sql: "SELECT id FROM session") }
        #expect(ids == ["3"], "a damaged one is still there")
    }
}
