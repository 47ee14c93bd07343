import CloudletCore
import CloudletStore
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
