// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

@Suite struct PrivateDirectoryTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    @Test("a private directory is made, closed to others when it is ours, and refused when it is another user's")
    func privateDirectory() throws {
        let mine = scratch.file("a/b")
        try Directory.createPrivate(mine)
        #expect(try FileStatus.of(mine)?.permissions == 0o700)
        unsafe chmod(mine.string, 0o1777)
        try Directory.createPrivate(mine)
        #expect(try FileStatus.of(mine)?.permissions == 0o1700)
        unsafe chmod(mine.string, 0o755)
        try #require(unsafe symlink(mine.string, scratch.file("link").string) == 0)
        let link = #expect(throws: CloudletError.self) { try Directory.createPrivate(scratch.file("link")) }
        #expect(link?.code == .permission)
        #expect(try FileStatus.of(mine)?.permissions == 0o755)
        if geteuid() == 0 {
            try #require(unsafe chown(mine.string, 12345, 0) == 0)
            let foreign = #expect(throws: CloudletError.self) { try Directory.createPrivate(mine) }
            #expect(foreign?.code == .permission && foreign?.description.contains("12345") == true)
        }
    }
}
