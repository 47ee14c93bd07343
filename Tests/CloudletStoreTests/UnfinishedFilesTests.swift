// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

/// What commands that were killed left under temporary names.
@Suite struct UnfinishedFilesTests {
    let scratch: ScratchDirectory
    let records: FilePath
    init() throws {
        scratch = try ScratchDirectory()
        records = scratch.file("records")
    }

    /// A record as a command leaves it that was killed.
    private func leave(_ paths: [FilePath]) throws {
        try Directory.create(records)
        let bytes = Array((paths.map(\.string).joined(separator: "\0") + "\0").utf8)
        try File(records.appending("dead\(UInt32.random(in: 0 ... .max))"), .create(permissions: 0o600))
            .write(bytes, at: 0)
    }

    @Test("files and trees of a command that is no more are removed, and nothing that has its real name")
    func dead() throws {
        let (file, tree) = (scratch.file("x.part-1a"), scratch.file(".overlay.part-2b"))
        _ = try scratch.write("x.part-1a", [1])
        try Directory.create(tree.appending("deep"))
        _ = try scratch.write("real", [1])
        try leave([file, tree, scratch.file("real"), scratch.file("gone.part-3")])
        UnfinishedFiles.removeLeftovers(in: records)
        #expect(try Directory.names(in: scratch.path) == ["real", "records"])
        #expect(try Directory.names(in: records).isEmpty)
    }

    @Test("what can't be removed stays noted for the next time")
    func stuck() throws {
        // A name that no file system takes stands for what is in use or not ours.
        try leave([scratch.file(String(repeating: "n", count: 300) + ".part-1"), scratch.file("x.part-1a")])
        _ = try scratch.write("x.part-1a", [1])
        UnfinishedFiles.removeLeftovers(in: records)
        #expect(try Directory.names(in: scratch.path) == ["records"])
        #expect(try Directory.names(in: records).count == 1)
    }

    @Test("files of a command that runs stay; its record goes with it")
    func alive() throws {
        let path = scratch.file("y" + UnfinishedFiles.suffix())
        do {
            let unfinished = try UnfinishedFiles(in: records)
            try unfinished.note(path)
            try File(path, .create(permissions: 0o600)).write([1], at: 0)
            UnfinishedFiles.removeLeftovers(in: records)
            #expect(try FileStatus.of(path) != nil)
            #expect(try Directory.names(in: records).count == 1)
        }
        #expect(try Directory.names(in: records).isEmpty)
    }
}
