// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import GRDB
import Synchronization
import SystemPackage
import Testing

@testable import CloudletStore

/// What SQLite was told about the disk, asked of the registry's own connections.
@Suite struct RegistryDurabilityTests {
    /// Values of `PRAGMA synchronous` (sqlite.org/pragma.html).
    private enum Synchronous { static let (normal, full) = (1, 2) }

    private let scratch: ScratchDirectory
    private let registry: Registry
    private let base: BaseVM

    init() throws {
        scratch = try ScratchDirectory()
        registry = try Registry(scratch.file("r.db"))
        let hash = SHA256Digest(hashing: [1].span)
        base = BaseVM(
            files: BaseFiles(disk: "/one.raw"), hash: hash, memoryHash: hash, diskBytes: 4096, diskModified: 0,
            memoryBytes: 1 << 20, accelerator: "tcg", created: 0)
    }

    private static func synchronous(_ database: Database) throws -> Int? {
        try Int.fetchOne(database, sql: "PRAGMA synchronous")
    }

    @Test("the registry has a log of its own that readers don't wait for; what must last is written through")
    func pragmas() throws {
        let mode = try registry.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") }
        #expect(mode == "wal")
        #expect(try registry.write(Self.synchronous) == Synchronous.normal)
        #expect(try registry.writeDurably(Self.synchronous) == Synchronous.full)
        #expect(try registry.write(Self.synchronous) == Synchronous.normal)
        // Also after one that failed.
        #expect(throws: CloudletError.self) { try registry.writeDurably { try $0.execute(sql: "nonsense") } }
        #expect(try registry.write(Self.synchronous) == Synchronous.normal)
    }

    @Test("base VMs are added and removed durably, sessions are noted without waiting for the disk")
    func commits() throws {
        /// For each transaction, whether the last that was said before it ended is that it is to last.
        final class Observer: Sendable {
            private let state = Mutex((isFull: false, commits: [Bool]()))

            func note(_ statement: String) {
                state.withLock { state in
                    if statement.hasPrefix("PRAGMA synchronous = ") { state.isFull = statement.hasSuffix("FULL") }
                    if statement.hasPrefix("COMMIT") { state.commits.append(state.isFull) }
                }
            }

            var taken: [Bool] {
                state.withLock { state in
                    defer { state.commits = [] }
                    return state.commits
                }
            }
        }
        let observer = Observer()
        try registry.write { $0.trace { observer.note($0.description) } }
        _ = observer.taken
        try registry.add(base)
        #expect(observer.taken == [true])
        try registry.write([SessionRecord(id: SessionID(1), stage: .running, client: "192.0.2.1", created: 5)])
        #expect(observer.taken == [false])
        #expect(try registry.remove(disk: "/one.raw") == base)
        #expect(observer.taken == [true])
    }
}
