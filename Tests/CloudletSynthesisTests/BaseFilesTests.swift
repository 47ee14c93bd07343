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

/// The files of a base VM: who may read them, when they are on the disk, and what a writer that was killed leaves.
@Suite struct BaseFilesTests {
    private static let complete = [
        "base-hash", "base-img-meta", "base-mem", "base-mem-index", "base-mem-meta", "base-seal", "raw",
    ]

    @Test("a base VM is on the disk before it is registered, with or without a manifest", arguments: [false, true])
    func durable(hasManifest: Bool) async throws {
        let base = try SmallBase()
        if hasManifest {
            _ = try await base.add()
            _ = try base.registry.remove(disk: base.files.disk)
        }
        let (_, events) = try await DiskJournal.recording(below: base.scratch.path) { try await base.add() }
        let written = base.files.derived.filter { $0 != base.files.memory }
        if !hasManifest { #expect(publishedDurably(written, events), "\(events)") }
        for path in hasManifest ? base.files.inManifest.map(\.path) : [base.files.disk, base.files.memory] {
            #expect(events.contains(.synchronized(path)), "\(path)")
        }
        #expect(events.contains(.synchronized(base.scratch.file("vm"))))
        #expect(try base.names() == Self.complete)
    }

    @Test(
        "files that nobody may exchange are registered as they are, and nothing is left", .enabled(if: geteuid() == 0))
    func immutable() async throws {
        let base = try SmallBase()
        let hash = try await base.add().hash
        _ = try base.registry.remove(disk: base.files.disk)
        let paths = base.files.derived.map(\.string)
        guard try await Tool.run("chattr", ["+i"] + paths).status == 0 else { return }
        let again = try? await BaseImport(registry: base.registry).add(base.files.disk, expected: hash)
        let names = try base.names()
        try #require(try await Tool.run("chattr", ["-i"] + paths).status == 0)
        #expect(again?.hash == hash && names == Self.complete, "\(names)")
    }

    @Test("a guest's memory, and what tells of its pages, is not for everybody; nobody may write")
    func permissions() async throws {
        let base = try SmallBase()
        let machine = try SharedMemory(named: "ram", size: 16 << 20)
        try FileSystem.remove(base.files.memory)
        let writer = BaseFileWriter(disk: base.files.disk)
        try await writer.writeMemory(
            machine, state: [1], .init(machine: .init(memoryMiB: 16, accelerator: .tcg)), emulator: "7.2")
        // From the first byte on.
        for name in try base.names() where name.hasPrefix("base-mem") {
            let path = base.scratch.file("vm").appending("guest." + name)
            #expect(try #require(try FileStatus.of(path)).permissions & 0o337 == 0)
        }
        _ = try await writer.writeHashes(accelerator: .tcg)
        try writer.publish()
        for path in [base.files.memory, base.files.memoryHashes, base.files.memoryIndex] {
            #expect(try #require(try FileStatus.of(path)).permissions & 0o777 == 0o440, "\(path)")
        }
        for path in [base.files.diskHashes, base.files.hash, base.files.manifest, base.files.disk] {
            #expect(try #require(try FileStatus.of(path)).permissions & 0o777 == 0o444, "\(path)")
        }
        #expect(try await BaseImport(registry: base.registry).add(base.files.disk, expected: nil).seen != nil)
    }

    @Test(
        "a disk that is no base VM any more has the mode that it had before, also one that was never to be written to",
        arguments: [0o660, 0o444] as [UInt32])
    func givenBack(mode: UInt32) async throws {
        let base = try SmallBase()
        let disk = try File(base.files.disk, .read)
        try disk.setPermissions(mode)
        // Hashed first, then known by its manifest.
        var entry: BaseVM?
        for _ in 0..<2 {
            _ = try await base.add()
            #expect(try disk.status().permissions == mode & ~0o222)
            entry = try base.registry.remove(disk: base.files.disk)
            #expect(try BaseImport.unprotect(try #require(entry)))
            #expect(try disk.status().permissions == mode)
        }
        var known = try #require(entry)
        // A mode that was set since is nobody else's business; nor is that of a disk of which nothing is known.
        try disk.setPermissions(0o404)
        #expect(try BaseImport.unprotect(known))
        known.diskPermissions = nil
        #expect(try !BaseImport.unprotect(known))
        #expect(try disk.status().permissions == 0o404)
    }

    @Test("a damaged manifest is reported with what to do about it")
    func damagedSeal() throws {
        let base = try SmallBase()
        _ = try File(base.files.manifest, .create(permissions: 0o600)).write(Array("{\"format\": 1".utf8), at: 0)
        let error = #expect(throws: CloudletError.self) { try BaseManifest(of: base.files) }
        #expect(
            error?.message == "\(base.files.manifest) is damaged: the given data was not valid JSON", "\(error as Any)")
    }

    @Test("what a killed writer left is removed, and what it had decided is completed", arguments: [0, 1, 3, 6])
    func killed(renames: Int) async throws {
        let base = try SmallBase()
        let hash = try await base.add().hash
        _ = try base.registry.remove(disk: base.files.disk)
        // As if it had been killed after so many renames.
        let order = [
            base.files.memory, base.files.diskHashes, base.files.memoryHashes, base.files.memoryIndex, base.files.hash,
        ]
        for path in order.dropFirst(max(0, renames - 1)) { try FileSystem.move(path, to: FilePath("\(path).part-k1")) }
        try FileSystem.move(
            base.files.manifest, to: FilePath("\(base.files.manifest).\(renames == 0 ? "part" : "commit")-k1"))
        if renames == 0 {
            // Nothing was decided: the base VM is made anew from the disk.
            #expect(try BaseCreation.requireNew(base.files.disk, registry: base.registry) == base.files.disk)
            #expect(try base.names() == ["raw"])
        } else {
            #expect(try await base.add().hash == hash)
            #expect(try base.names() == Self.complete)
        }
    }
}
