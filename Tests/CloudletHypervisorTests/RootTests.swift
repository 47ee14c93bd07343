// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

@testable import CloudletHypervisor

/// The directory of a driver, by whatever path.
@Suite(.timeLimit(.minutes(1))) struct RootTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// Every printable ASCII character but the separator, some that are not, and letters of other languages.
    static let names =
        (UInt8(0x01)...0x7F).map { UnicodeScalar($0) }.filter { $0 != "/" }.map { "R\($0)D" } + [
            "ü", "e\u{301}", "日本", "\u{202E}x", "😀", "a b c", " ", "$(reboot)", "..x", "%2F", "&amp;", "</domain>",
            String(repeating: "d", count: 255), String(repeating: "l/", count: 500),
        ]

    @Test("whatever its path, libvirt is given one that stands for itself and leads to it", arguments: names)
    func given(name: String) throws {
        let root = try HypervisorRoot(under: scratch.file(name), role: .command)
        let given = root.driverPath
        #expect(given.string.wholeMatch(of: /[A-Za-z0-9\/._-]{1,24}/) != nil, "\(given)")
        let socket =
            "\(given)/lib/qemu/channel/target/domain-1234567-\(String(repeating: "n", count: 20))/org.qemu.guest_agent.0"
        #expect(socket.utf8.count <= 107)
        #expect(root.uri == "qemu:///embed?root=\(given)")
        #expect(root.driverLog.string.hasPrefix(given.string + "/"))
        #expect(try FileStatus.of(given)?.identity == FileStatus.of(root.directory)?.identity)
        let disk = root.workDirectory.appending("vm").appending("disk.qcow2")
        try Directory.create(disk.removingLastComponent())
        _ = try File(disk, .create(permissions: 0o600))
        let named = root.nameForDriver(disk)
        #expect(named.string.unicodeScalars.allSatisfy { $0.value >= 0x20 })
        #expect(try FileStatus.of(named)?.identity == FileStatus.of(disk)?.identity)
    }

    @Test("nothing is made in directories for temporary files, which others write to and cleaners empty")
    func nothingElsewhere() throws {
        func ours() throws -> [String] {
            try Directory.names(in: "/tmp").filter { $0.hasPrefix("cloudlet-\(geteuid())") }
        }
        let before = try ours()
        _ = try HypervisorRoot(under: scratch.file(String(repeating: "d", count: 200)), role: .node)
        #expect(try ours() == before)
    }

    @Test("directories that others may enter are closed; one that another user made is refused")
    func rights() throws {
        let parent = scratch.file("hypervisor")
        for path in ["", "node", "node/work", "cache"] {
            try Directory.create(parent.appending(path))
            unsafe chmod(parent.appending(path).string, 0o777)
        }
        _ = try HypervisorRoot(under: parent, role: .node)
        for path in ["", "node", "node/work", "node/etc", "cache"] {
            #expect(try FileStatus.of(parent.appending(path))?.permissions == 0o700, "\(path)")
        }
        guard geteuid() == 0 else { return }
        try #require(unsafe chown(parent.appending("node").string, 12345, 0) == 0)
        let error = #expect(throws: CloudletError.self) { try HypervisorRoot(under: parent, role: .node) }
        #expect(error?.code == .permission)
    }

    @Test("only names that VMs are given are taken for theirs")
    func namesOfVMs() {
        for name in ["cloudlet-0a1f-node-3k2j", "cloudlet-0a1f-c0-1", "cloudlet-ffff-c31-zzz"] {
            #expect(HypervisorRoot.isVMName(name))
        }
        for name in [
            "data", "cloudlet-backup", "cloudlet-0a1f-node-", "cloudlet-0A1F-node-1", "cloudlet-0a1f-other-1",
            ".unnamed-1", "cloudlet-0a1f-node-3k2j.old", "xcloudlet-0a1f-node-1",
        ] {
            #expect(!HypervisorRoot.isVMName(name))
        }
    }
}
