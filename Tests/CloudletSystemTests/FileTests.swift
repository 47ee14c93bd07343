// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@Suite struct FileTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    @Test("what is written at an offset is read there, and the end is reported")
    func readWrite() throws {
        let file = try scratch.write("a", [1, 2, 3, 4])
        try file.write([9, 8], at: 1)
        #expect(try file.read(10, at: 0) == [1, 9, 8, 4])
        #expect(try file.read(10, at: 4) == [])
    }

    @Test("a missing file, a wrong place and missing rights are told apart and named")
    func failures() throws {
        let missing = #expect(throws: CloudletError.self) { try File(scratch.file("none"), .read) }
        #expect(missing?.code == .notFound)
        #expect(missing?.description.contains("none: No such file or directory") == true)
        _ = try scratch.write("taken", [])
        #expect(throws: CloudletError.self) { try File(scratch.file("taken"), .create(permissions: 0o600)) }
    }

    @Test("permissions of a file that are not ours to change are left, and only asking for it is no error")
    func permissions() throws {
        let foreign = try File("/proc/self/status", .read)
        let error = #expect(throws: CloudletError.self) { try foreign.setPermissions(0o600) }
        #expect(error?.code == .permission)
        try foreign.setPermissionsIfAllowed(0o600)
    }

    @Test("data extents are found and widened to pages; holes are left out")
    func extents() throws {
        let file = try scratch.write("sparse", [])
        try file.resize(to: 1 << 20)
        try file.write([1], at: 300_000)
        try file.write([1], at: 700_000)
        var found: [Range<Int>] = []
        try file.forEachDataExtent(in: 0..<1 << 20) { (extent) throws(CloudletError) in found.append(extent) }
        #expect(found.contains { $0.contains(300_000) } && found.contains { $0.contains(700_000) })
        #expect(found.reduce(0) { $0 + $1.count } < 300_000)
        #expect(found.allSatisfy { $0.lowerBound % Page.size == 0 })
        try file.punchHole(0..<1 << 20)
        #expect(try file.nextDataExtent(from: 0) == nil)
    }

    @Test("bytes that are known to be there are read whole, and one that is missing is an error that names the file")
    func wholeReads() throws {
        let file = try scratch.write("whole", [UInt8](repeating: 7, count: 100))
        var buffer = [UInt8](repeating: 0, count: 100)
        try file.readWhole(into: &buffer, count: 100, at: 0)
        #expect(buffer == [UInt8](repeating: 7, count: 100))
        try file.resize(to: 99)
        let error = #expect(throws: CloudletError.self) { try file.readWhole(into: &buffer, count: 100, at: 0) }
        #expect(error?.code == .io && error?.description.contains("whole became shorter") == true, "\(error as Any)")
    }

    @Test("a file without a name can be written and read, and is nowhere to be seen")
    func unnamed() throws {
        let before = try Directory.names(in: scratch.path)
        let file = try File.unnamed(in: scratch.path)
        try file.write([1, 2, 3], at: 0)
        #expect(try file.read(3, at: 0) == [1, 2, 3] && Directory.names(in: scratch.path) == before)
    }

    @Test("shared memory starts as zeros and is reachable by path while it lives")
    func sharedMemory() throws {
        let memory = try SharedMemory(named: "test", size: 1 << 20)
        try memory.file.write([5], at: 12345)
        let other = try File(memory.path, .read)
        #expect(try other.read(1, at: 12345) == [5])
        #expect(try other.size() == 1 << 20)
    }

    @Test("a lock excludes a second holder until it is let go")
    func lock() throws {
        var first = try FileLock.tryAcquire(scratch.file("lock"))
        #expect(first != nil)
        #expect(try FileLock.tryAcquire(scratch.file("lock")) == nil)
        first = nil
        #expect(try FileLock.tryAcquire(scratch.file("lock")) != nil)
    }

    @Test("directories are made with parents, listed, and removed with all they hold")
    func directories() throws {
        let deep = scratch.file("a").appending("b")
        try Directory.create(deep, permissions: 0o700)
        #expect(try FileStatus.of(deep)?.permissions == 0o700)
        _ = try File(deep.appending("x"), .create(permissions: 0o400))
        #expect(try Directory.names(in: deep) == ["x"])
        try FileSystem.remove(scratch.file("a"))
        #expect(try FileStatus.of(scratch.file("a")) == nil)
        try FileSystem.remove(scratch.file("a"))
        #expect(try FileSystem.freeSpace(at: scratch.path) > 0)
    }
}
