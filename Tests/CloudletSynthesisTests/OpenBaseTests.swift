// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// Base VMs whose files were touched, changed or taken away since they were registered.
@Suite struct OpenBaseTests {
    /// Gives a file a time of its last change, as `touch -d` does.
    private func setModified(_ path: FilePath, _ time: Int) throws {
        let time = timespec(tv_sec: time / 1_000_000_000, tv_nsec: time % 1_000_000_000)
        try #require(unsafe utimensat(AT_FDCWD, path.string, [time, time], 0) == 0)
    }

    /// Inverts a page; the time of the last change is set back afterwards.
    private func invert(_ path: FilePath, page: Int) throws {
        let modified = try #require(try FileStatus.of(path)).modified
        try File(path, .read).setPermissions(0o600)
        let file = try File(path, .readWrite)
        try file.write(try file.read(Page.size, at: page * Page.size).map { ~$0 }, at: page * Page.size)
        try setModified(path, modified)
    }

    @Test("files as they were registered are opened without a look at their content")
    func untouched() async throws {
        let base = try SmallBase()
        let record = try await base.add()
        #expect(record.seen != nil && record.data != nil)
        let opened = try #require(try await base.open())
        #expect(try opened.record == record && base.record() == record)
    }

    @Test("a page that changed is refused though size and time are the same, and served when it is back")
    func changedPage() async throws {
        for isDisk in [false, true] {
            let base = try SmallBase()
            let record = try await base.add()
            let path = isDisk ? base.files.disk : base.files.memory
            try invert(path, page: 5)
            for _ in 0..<2 {
                let error = await #expect(throws: CloudletError.self) { try await base.open() }
                #expect(error?.code == .badData, "\(error as Any)")
                #expect(error?.description.contains("was changed after it became a base VM") == true)
            }
            // What was found is known from then on.
            #expect(try base.record()?.refused != nil && base.record()?.seen == record.seen)
            try invert(path, page: 5)
            #expect(try await base.open() != nil)
            #expect(try base.record()?.seen != record.seen)
        }
    }

    @Test("files that were only touched, linked or copied are the same, which is found out once")
    func touched() async throws {
        let base = try SmallBase()
        let first = try await base.add()
        var last = first.seen
        for change in 0..<3 {
            switch change {
            case 0: try setModified(base.files.disk, 1_000_000_000)
            case 1: #expect(unsafe link(base.files.memory.string, base.scratch.file("link").string) == 0)
            default:
                let bytes = try File(base.files.memory, .read).read(1 << 25, at: 0)
                try FileSystem.remove(base.files.memory)
                try File(base.files.memory, .create(permissions: 0o400)).write(bytes, at: 0)
            }
            let opened = try #require(try await base.open())
            #expect(opened.record.seen != last && opened.record.hash == first.hash)
            last = opened.record.seen
            #expect(try base.record()?.seen == last)
        }
    }

    @Test("an entry of a version before is looked at by its hashes, once")
    func oldEntry() async throws {
        let base = try SmallBase()
        let record = try await base.add()
        _ = try base.registry.remove(disk: base.files.disk)
        var old = record
        (old.seen, old.data) = (nil, nil)
        try base.registry.add(old)
        #expect(try await base.open()?.record.seen == record.seen)
        #expect(try base.record()?.seen == record.seen)
        try invert(base.files.memory, page: 5)
        let error = await #expect(throws: CloudletError.self) { try await base.open() }
        #expect(error?.code == .badData)
    }

    @Test("a memory snapshot that is cut, or gone, is named")
    func cut() async throws {
        let base = try SmallBase()
        _ = try await base.add()
        let opened = try #require(try await base.open())
        try File(base.files.memory, .read).setPermissions(0o600)
        let memory = try File(base.files.memory, .readWrite)
        try memory.resize(to: 8 << 20)
        #expect(throws: CloudletError.self) { try opened.requireUnchangedMemory() }
        let error = await #expect(throws: CloudletError.self) { try await base.open() }
        #expect(error?.description.contains("guest.base-mem") == true, "\(error as Any)")
        try FileSystem.remove(base.files.memory)
        let missing = await #expect(throws: CloudletError.self) { try await base.open() }
        #expect(missing?.description.contains("guest.base-mem") == true, "\(missing as Any)")
    }
}
