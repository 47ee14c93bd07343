// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

/// Who may see and exchange what is kept in the state directory, and by which name it is known.
@Suite struct HomeTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private func mode(_ path: FilePath) throws -> UInt32? { try FileStatus.of(path)?.permissions }

    @Test("a home has one name, by whatever links, dots and blanks it is reached")
    func canonical() throws {
        let home = try CloudletHome(scratch.file("home & %41,;=ü'\"\\\nx"))
        try #require(unsafe symlink(home.root.string, scratch.file("link").string) == 0)
        try Directory.create(scratch.file("other"))
        try #require(unsafe symlink(scratch.file("other").string, scratch.file("aside").string) == 0)
        #expect(try CloudletHome(scratch.file("link")) == home)
        #expect(try CloudletHome(FilePath(scratch.file("link").string + "/./")) == home)
        // The way back from a link is that of its target.
        #expect(try CloudletHome(FilePath(scratch.path.string + "/aside/../link")) == home)
        let broken = #expect(throws: CloudletError.self) { try CloudletHome(scratch.file("h\u{FFFD}")) }
        #expect(broken?.description.contains("UTF-8") == true)
    }

    @Test("a home that others may enter is closed, unless it holds other things; then they may not write to it")
    func secured() throws {
        let home = try CloudletHome(scratch.file("home"))
        _ = try File(home.database, .create(permissions: 0o644))
        // A VM whose files could not be written.
        try Directory.create(home.kept)
        for open: mode_t in [0o755, 0o1777, 0o770] {
            unsafe chmod(home.root.string, open)
            try home.secure()
            #expect(try mode(home.root) == 0o700)
        }
        _ = try File(home.root.appending("holiday.jpg"), .create(permissions: 0o644))
        unsafe chmod(home.root.string, 0o755)
        try home.secure()
        #expect(try mode(home.root) == 0o755)
        unsafe chmod(home.root.string, 0o1777)
        let error = #expect(throws: CloudletError.self) { try home.secure() }
        #expect(error?.code == .permission && error?.description.contains("CLOUDLET_HOME") == true)
        #expect(try mode(home.root) == 0o1777)
        if geteuid() == 0 {
            try #require(unsafe chown(home.root.string, 12345, 0) == 0)
            let foreign = #expect(throws: CloudletError.self) { try home.secure() }
            #expect(foreign?.description.contains("belongs to another user") == true)
        }
    }

    @Test("the registry is readable by its owner only, also one that was made open, and its helper files are")
    func registry() throws {
        let path = scratch.file("r.db")
        // Held open: with its last user go the helper files.
        let first = try Registry(path)
        #expect(try mode(path) == 0o600)
        for suffix in ["", "-wal", "-shm"] { unsafe chmod(path.string + suffix, 0o644) }
        let registry = try Registry(path)
        for suffix in ["", "-wal", "-shm"] {
            #expect(try mode(FilePath(path.string + suffix)) == 0o600, "\(suffix)")
        }
        withExtendedLifetime((first, registry)) {}
    }

    @Test("a disk whose path has control characters can't become a base VM")
    func disks() throws {
        _ = try scratch.write("a\nb.raw", [1])
        let error = #expect(throws: CloudletError.self) { try BaseFiles.locate(scratch.file("a\nb.raw")) }
        #expect(error?.code == .usage && error?.description.contains("control character") == true)
        _ = try scratch.write("a b&c.raw", [1])
        #expect(try BaseFiles.locate(scratch.file("a b&c.raw")) == scratch.file("a b&c.raw"))
    }
}
