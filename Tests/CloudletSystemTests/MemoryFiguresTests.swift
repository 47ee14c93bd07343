// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletSystem

/// Systems of invented files: 8 GiB of memory, 6 of them available.
@Suite struct MemoryFiguresTests {
    let scratch: ScratchDirectory
    private let mebibyte = 1 << 20

    init() throws {
        scratch = try ScratchDirectory()
        try put("proc/meminfo", "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 6291456 kB\nHugePages_Total: 0\n")
    }

    private func put(_ path: String, _ text: String) throws {
        let file = scratch.path.pushing(FilePath(path))
        try Directory.create(file.removingLastComponent())
        try FileSystem.remove(file)
        try File(file, .create(permissions: 0o600)).write(Array(text.utf8), at: 0)
    }

    private var figures: MemoryFigures { MemoryFigures.current(root: scratch.path) }

    private func mount(_ lines: String...) throws {
        try put("proc/self/mountinfo", "23 1 0:1 / / rw - ext4 /dev/vda rw\n" + lines.map { $0 + "\n" }.joined())
    }

    private let unified = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate"
    private let single = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"

    @Test("without control groups the machine's figures count")
    func machine() throws {
        #expect(figures == MemoryFigures(total: 8 << 30, available: 6 << 30, limitedBy: nil))
        try mount(unified)
        try put("proc/self/cgroup", "0::/user.slice\n")
        try put("sys/fs/cgroup/user.slice/memory.max", "max\n")
        try put("sys/fs/cgroup/user.slice/memory.current", "1000000\n")
        #expect(figures == MemoryFigures(total: 8 << 30, available: 6 << 30, limitedBy: nil))
    }

    @Test("version 2: the smallest limit up the chain counts, cached files are free, memory.high is a limit")
    func version2() throws {
        try mount(unified)
        try put("proc/self/cgroup", "0::/a.slice/node.service\n")
        try put("sys/fs/cgroup/a.slice/memory.max", "\(1000 * mebibyte)\n")
        try put("sys/fs/cgroup/a.slice/memory.current", "\(900 * mebibyte)\n")
        let cached = "inactive_file \(200 * mebibyte)\nactive_file \(100 * mebibyte)\nshmem \(300 * mebibyte)\n"
        try put(
            "sys/fs/cgroup/a.slice/memory.stat",
            "anon 5\n\(cached)file_dirty \(40 * mebibyte)\nfile_writeback \(10 * mebibyte)\n")
        try put("sys/fs/cgroup/a.slice/node.service/memory.max", "max\n")
        try put("sys/fs/cgroup/a.slice/node.service/memory.high", "\(2000 * mebibyte)\n")
        try put("sys/fs/cgroup/a.slice/node.service/memory.current", "\(100 * mebibyte)\n")
        let limit = scratch.path.pushing("sys/fs/cgroup/a.slice/memory.max")
        #expect(
            figures == MemoryFigures(total: 1000 * mebibyte, available: 350 * mebibyte, limitedBy: limit))
        // Now the inner group has the smaller limit.
        try put("sys/fs/cgroup/a.slice/node.service/memory.high", "\(300 * mebibyte)\n")
        #expect(figures.total == 300 * mebibyte)
        #expect(figures.available == 200 * mebibyte)
        try put("sys/fs/cgroup/a.slice/node.service/memory.current", "\(400 * mebibyte)\n")
        #expect(figures.available == 0)
    }

    @Test("version 1: the smallest limit up the chain counts, also on hybrid systems")
    func version1() throws {
        try mount(
            "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", single)
        try put("proc/self/cgroup", "9:cpu:/\n4:memory:/box/inner\n0::/\n")
        try put("sys/fs/cgroup/memory/box/inner/memory.limit_in_bytes", "9223372036854771712\n")
        try put("sys/fs/cgroup/memory/box/inner/memory.usage_in_bytes", "1000\n")
        try put("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "\(250 * mebibyte)\n")
        try put("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "\(240 * mebibyte)\n")
        try put("sys/fs/cgroup/memory/box/memory.use_hierarchy", "1\n")
        try put(
            "sys/fs/cgroup/memory/box/memory.stat",
            "inactive_file 1\nactive_file 1\ntotal_inactive_file \(20 * mebibyte)\ntotal_active_file 0\n")
        #expect(figures.total == 250 * mebibyte)
        #expect(figures.available == 30 * mebibyte)
        #expect(figures.limitedBy?.string.hasSuffix("box/memory.limit_in_bytes") == true)
        // A group that does not count those below it limits them not either.
        try put("sys/fs/cgroup/memory/box/memory.use_hierarchy", "0\n")
        #expect(figures.limitedBy == nil)
        #expect(figures.available == 6 << 30)
    }

    @Test("in a container, where a part of the hierarchy is mounted, its own group is found")
    func container() throws {
        try mount("35 31 0:32 /docker/ab\\040c /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory")
        try put("proc/self/cgroup", "4:cpu,memory:/docker/ab c/sub\n")
        try put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
        try put("sys/fs/cgroup/memory/memory.usage_in_bytes", "\(100 * mebibyte)\n")
        // The limit is that of a group above what is mounted.
        try put("sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit \(400 * mebibyte)\n")
        #expect(figures.total == 400 * mebibyte)
        #expect(figures.available == 300 * mebibyte)
        // Outside of what is mounted, the mounted part says more than nothing.
        try put("proc/self/cgroup", "4:memory:/../other\n")
        #expect(figures.total == 400 * mebibyte)
    }

    @Test("files that say nonsense are passed over")
    func nonsense() throws {
        try mount(unified, single, "short line", "1 2 3 4 5 - cgroup", " - ")
        try put("proc/self/cgroup", "0::/\n4:memory\n:::\n\n4:memory:/x\n")
        try put("sys/fs/cgroup/memory.max", "99999999999999999999999\n")
        try put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "-1\n")
        try put("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "twelve\n")
        #expect(figures == MemoryFigures(total: 8 << 30, available: 6 << 30, limitedBy: nil))
        try put("sys/fs/cgroup/memory.max", "0\n")
        try put("sys/fs/cgroup/memory.current", "\(Int.min)\n")
        try put("sys/fs/cgroup/memory.stat", "inactive_file \(Int.max)\nactive_file 0\nfile_dirty \(Int.max)\n")
        #expect(figures.total == 0)
        #expect(figures.available == 0)
    }

    @Test("where the kernel promises no more memory than there is, what is promised counts")
    func commitment() throws {
        try put(
            "proc/meminfo",
            "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\nCommitLimit: 4194304 kB\nCommitted_AS: 3145728 kB\n")
        try put("proc/sys/vm/overcommit_memory", "0\n")
        #expect(figures.available == 6 << 30)
        try put("proc/sys/vm/overcommit_memory", "2\n")
        #expect(figures.available == 1 << 30)
    }

    @Test("file systems that report more than any number holds, or less than nothing, are no trap")
    func fileSystems() throws {
        let large = FileSystemSpace(blocks: .max, available: 1 << 63, blockBytes: 4096)
        #expect(large.total == .max && large.free == .max)
        #expect(FileSystemSpace(blocks: 1 << 62, available: 1 << 62, blockBytes: 1 << 20).free == .max)
        let overfull = FileSystemSpace(blocks: 1000, available: UInt64(bitPattern: -5), blockBytes: 4096)
        #expect(overfull.free == 0 && overfull.total == 4_096_000)
        #expect(FileSystemSpace(blocks: 0, available: 0, blockBytes: 0).free == 0)
        let here = try FileSystemSpace(at: scratch.path)
        #expect(here.total > 0 && here.free <= here.total)
        #expect(throws: CloudletError.self) { try FileSystemSpace(at: scratch.path.appending("none")) }
    }
}
