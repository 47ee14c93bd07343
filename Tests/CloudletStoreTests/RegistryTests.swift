// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@Suite struct RegistryTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private func base(_ path: String, content: UInt8) -> BaseVM {
        BaseVM(
            files: BaseFiles(disk: FilePath(path)), hash: SHA256Digest(hashing: [content].span),
            memoryHash: SHA256Digest(hashing: [content, 1].span), diskBytes: 2 << 30, diskModified: 5,
            memoryBytes: 1 << 30, accelerator: "tcg", created: 1_700_000_000)
    }

    @Test("what is added is found by path and by hash, also by another process's connection, and removed")
    func addFindRemove() throws {
        let registry = try Registry(scratch.file("r.db"))
        let one = base("/a/one.raw", content: 1)
        try registry.add(one)
        try registry.add(base("/a/two.raw", content: 2))
        let other = try Registry(scratch.file("r.db"))
        #expect(try other.bases().map(\.files.disk.string) == ["/a/one.raw", "/a/two.raw"])
        #expect(try other.base(disk: "/a/one.raw") == one)
        #expect(try other.base(hash: one.hash) == one)
        #expect(try registry.remove(disk: "/a/one.raw") == one)
        #expect(try registry.remove(disk: "/a/one.raw") == nil)
        #expect(try other.bases().count == 1)
    }

    @Test("the same path or the same content twice is refused with a way out")
    func duplicates() throws {
        let registry = try Registry(scratch.file("r.db"))
        try registry.add(base("/a/one.raw", content: 1))
        let samePath = #expect(throws: CloudletError.self) { try registry.add(base("/a/one.raw", content: 3)) }
        #expect(samePath?.code == .cannotCreate && samePath?.description.contains("del-base") == true)
        let sameContent = #expect(throws: CloudletError.self) { try registry.add(base("/b/x.raw", content: 1)) }
        #expect(sameContent?.description.contains("/a/one.raw") == true)
    }

    @Test("what is known of a base VM's files is kept, for it alone")
    func stamps() throws {
        let registry = try Registry(scratch.file("r.db"))
        try registry.add(base("/a/one.raw", content: 1))
        try registry.add(base("/a/two.raw", content: 2))
        let file = try scratch.write("x", [1])
        let (first, second) = (try file.status(), try File(scratch.path, .read).status())
        let good = BaseStamp(disk: first, memory: second)
        let bad = BaseStamp(disk: second, memory: first)
        #expect(good != bad)
        try registry.note(good, isAsRegistered: true, of: "/a/one.raw")
        try registry.note(bad, isAsRegistered: false, of: "/a/one.raw")
        let found = try #require(try Registry(scratch.file("r.db")).base(disk: "/a/one.raw"))
        #expect(found.seen == good && found.refused == bad)
        #expect(try registry.base(disk: "/a/two.raw") == base("/a/two.raw", content: 2))
    }

    @Test("a registry of a version before is brought up to date, its base VMs with it")
    func oldRegistry() async throws {
        let one = base("/a/one.raw", content: 1)
        let code = """
            import sqlite3, sys
            c = sqlite3.connect(sys.argv[1])
            c.execute("CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
            c.execute("INSERT INTO grdb_migrations VALUES ('base VMs')")
            c.execute("CREATE TABLE base_vm (disk_path TEXT PRIMARY KEY NOT NULL, hash_value TEXT NOT NULL UNIQUE, "
                "memory_hash TEXT NOT NULL, disk_bytes INTEGER NOT NULL, disk_modified INTEGER NOT NULL, "
                "memory_bytes INTEGER NOT NULL, accelerator TEXT NOT NULL, created INTEGER NOT NULL)")
            c.execute("INSERT INTO base_vm VALUES (?,?,?,?,?,?,?,?)", ("/a/one.raw", "\(one.hash.hex)",
                "\(one.memoryHash.hex)", 2 << 30, 5, 1 << 30, "tcg", 1700000000))
            c.commit()
            """
        let made = try await Tool.run("python3", ["-c", code, scratch.file("old.db").string])
        #expect(made.status == 0, "\(made.errors)")
        #expect(try Registry(scratch.file("old.db")).bases() == [one])
    }

    @Test("a file that is no database is told, not overwritten")
    func damaged() throws {
        let bytes = Array(repeating: UInt8(ascii: "x"), count: 5000)
        _ = try scratch.write("r.db", bytes)
        let error = #expect(throws: CloudletError.self) { try Registry(scratch.file("r.db")) }
        #expect(error?.code == .badData)
        let missing = #expect(throws: CloudletError.self) { try Registry("/nonexistent/r.db") }
        #expect(missing?.code == .permission)
    }

    @Test("base files are named as the original names them")
    func fileNames() {
        let files = BaseFiles(disk: "/vm/a.b.raw")
        #expect(
            files.name == "a.b" && files.memory == "/vm/a.b.base-mem" && files.diskHashes == "/vm/a.b.base-img-meta")
        #expect(files.memoryHashes == "/vm/a.b.base-mem-meta" && files.hash == "/vm/a.b.base-hash")
        #expect(BaseFiles(disk: "/vm/plain").memory == "/vm/plain.base-mem")
    }

    @Test("the environment decides where state is kept")
    func home() throws {
        let root = scratch.path.string
        #expect(try CloudletHome.fromEnvironment(["CLOUDLET_HOME": root + "/h"]).root.string == root + "/h")
        #expect(
            try CloudletHome.fromEnvironment(["STATE_DIRECTORY": root + "/s:/x"]).database.string == root
                + "/s/cloudlet.db")
        #expect(
            try CloudletHome.fromEnvironment(["XDG_DATA_HOME": root, "HOME": "/x"]).root.string == root + "/cloudlet")
        #expect(try CloudletHome.fromEnvironment(["HOME": root]).root.string == root + "/.local/share/cloudlet")
    }
}
