// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@Suite struct DirectoryTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    @Test("what was made is told, and taken away again as far as it is empty")
    func made() throws {
        let made = try Directory.create(scratch.file("a/b/c"))
        #expect(made == [scratch.file("a"), scratch.file("a/b"), scratch.file("a/b/c")])
        #expect(try Directory.create(scratch.file("a/b/c")).isEmpty)
        _ = try scratch.write("a/x", [])
        Directory.removeEmpty(made)
        #expect(try Directory.names(in: scratch.file("a")) == ["x"])
    }

    @Test("a directory that can't be made leaves none of those above it, and the reason is the system's own")
    func refused() throws {
        _ = try scratch.write("file", [])
        for path in ["file/x", "new/" + String(repeating: "n", count: 256)] {
            let error = #expect(throws: CloudletError.self) { try Directory.create(scratch.file(path)) }
            let text = error?.description ?? ""
            #expect(text.contains("Not a directory") || text.contains("File name too long"), "\(text)")
            #expect(!text.contains("Domain") && error?.code == .cannotCreate)
        }
        #expect(try Directory.names(in: scratch.path) == ["file"])
        let listed = #expect(throws: CloudletError.self) { try Directory.names(in: scratch.file("file")) }
        #expect(listed?.description.contains("Not a directory") == true)
        let removed = #expect(throws: CloudletError.self) { try FileSystem.remove("/proc/self") }
        #expect(removed?.description.contains("Domain") == false)
    }

    @Test("a tree is removed, but not what links in it lead to")
    func tree() async throws {
        try Directory.create(scratch.file("t/u"))
        _ = try scratch.write("t/u/v", [1])
        _ = try scratch.write("kept", [1])
        for (target, link) in [("../../kept", "t/u/file"), ("..", "t/u/up"), (scratch.path.string, "t/all")] {
            let made = try await Tool.run("ln", ["-s", target, scratch.file(link).string])
            #expect(made.status == 0)
        }
        try FileSystem.remove(scratch.file("t"))
        #expect(try Directory.names(in: scratch.path) == ["kept"])
        try FileSystem.remove(scratch.file("t"))
    }
}
