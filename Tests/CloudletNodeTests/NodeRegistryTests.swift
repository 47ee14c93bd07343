// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Logging
import SystemPackage
import Testing

@testable import CloudletNode

/// The registry while another program holds its database.
@Suite(.serialized, .timeLimit(.minutes(1))) struct NodeRegistryTests {
    let scratch: ScratchDirectory
    private let path: FilePath
    private let registry: NodeRegistry

    init() throws {
        scratch = try ScratchDirectory()
        path = scratch.file("cloudlet.db")
        registry = NodeRegistry(path, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func base(_ number: UInt8) -> BaseVM {
        let hash = SHA256Digest(hashing: [number].span)
        return BaseVM(
            files: BaseFiles(disk: FilePath("/base-\(number).raw")), hash: hash, memoryHash: hash, diskBytes: 4096,
            diskModified: 0, memoryBytes: 1 << 20, accelerator: "tcg", created: 0)
    }

    private func record(_ number: UInt64, _ stage: SynthesisStage) -> SessionRecord {
        SessionRecord(id: SessionID(number), stage: stage, client: "192.0.2.1", created: 5)
    }

    /// Runs `body` while a program holds the database in a way given in SQL.
    private func locked(_ words: String, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let script = """
            import sqlite3, sys, time
            c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
            for word in sys.argv[2].split(";"): c.execute(word).fetchall()
            print("held", flush=True)
            time.sleep(60)
            """
        let log = scratch.file("log-\(UInt32.random(in: 0 ... .max))")
        _ = try await Tool.with("python3", ["-c", script, path.string, words], log: log) { program in
            try await program.waitFor("held")
            try await body()
        }
    }

    /// What sessions ask for does not take longer together than one of them waits for others.
    private func isQuick(_ body: @escaping @Sendable (UInt64) async throws -> Void) async throws {
        let time = try await ContinuousClock().measure {
            try await withThrowingTaskGroup { group in
                for number: UInt64 in 1...20 { group.addTask { try await body(number) } }
                try await group.waitForAll()
            }
        }
        #expect(time < .seconds(2), "\(time)")
    }

    @Test(
        "while another program writes, nobody waits; what sessions do is written afterwards, the newest state of each")
    func writeLock() async throws {
        try await registry.open()
        try Registry(path).add(base(1))
        #expect(try await registry.bases().map(\.hash) == [base(1).hash])
        try await locked("begin immediate") { [registry, path] in
            try await isQuick { number in
                let known = try await registry.base(hash: base(1).hash)
                #expect(known != nil)
                for stage in [SynthesisStage.waiting, .running] { registry.put([record(number, stage)]) }
                await registry.flush()
            }
            #expect(registry.troubles.contains { $0.contains("another program has locked it") }, "\(registry.troubles)")
            #expect(try Registry(path).sessions().isEmpty)
            registry.put([record(7, .ended)])
        }
        try await until(5, "it is not written") { await registry.flush() }
        let written = try Registry(path).sessions(all: true)
        #expect(written.count == 20)
        #expect(written.allSatisfy { $0.stage == ($0.id.value == 7 ? SynthesisStage.ended : .running) })
        #expect(registry.troubles.isEmpty)
        // What was written once is not written again, over what others write.
        try Registry(path).write([record(1, .waiting)])
        await registry.flush()
        #expect(try Registry(path).sessions().first { $0.id.value == 1 }?.stage == .waiting)
    }

    @Test("base VMs that were known are given while the database can't be read")
    func known() async throws {
        try await registry.open()
        try Registry(path).add(base(1))
        #expect(try await registry.bases() == [base(1)])
        try await locked("alter table base_vm rename to gone") { [registry] in
            let known = try await registry.bases()
            #expect(known == [base(1)])
            #expect(registry.troubles.count == 1)
        }
    }

    @Test("while another program has the database for itself, base VMs are those known before")
    func exclusive() async throws {
        try Registry(path).add(base(1))
        // SQLite gives the database to one alone only where nobody has it open.
        do {
            let alone = try Registry(alone: path)
            #expect(try alone.bases() == [base(1)] && alone.sessions().isEmpty)
        }
        try await locked("pragma locking_mode=exclusive;begin exclusive") { [registry] in
            try await registry.open()
            try await isQuick { _ in
                let error = await #expect(throws: CloudletError.self) { try await registry.bases() }
                #expect(error?.code == .busy)
            }
            #expect(registry.troubles.count == 1)
            #expect(registry.sessionsLeft == nil)
        }
        try await until(5, "it is not read again") { (try? await registry.bases().count) == 1 }
    }

    @Test("sessions of a node that died are marked when the database can be written, and no others")
    func reconciling() async throws {
        try Registry(path).write([record(1, .running), record(2, .running)])
        try await registry.open()
        #expect(registry.sessionsLeft?.count == 2)
        try await locked("begin immediate") { [registry] in
            await registry.reconcile(keeping: [SessionID(2)])
            registry.put([record(3, .running)])
        }
        try await until(5, "it is not written") { await registry.flush() }
        let ended = try Registry(path).sessions(all: true).filter { $0.stage == .ended }
        #expect(ended.map(\.id) == [SessionID(1)])
        #expect(ended.first?.reason == "the node died")
    }

    @Test("a damaged database is refused at the start")
    func damaged() async throws {
        _ = try scratch.write("cloudlet.db", [UInt8](repeating: 7, count: 8192))
        let error = await #expect(throws: CloudletError.self) { try await registry.open() }
        #expect(error?.code == .badData)
    }
}
