import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// The files of a base VM: who may read them, when they are on the disk, and what a writer that was killed leaves.
@Suite struct BaseFilesTests {
    private static let complete = [
        "base-hash", "base-img-meta", "base-mem", "base-mem-index", "base-mem-meta", "base-seal", "raw",
    ]

    @Test("a base VM is on the disk before it is registered, with or without a seal", arguments: [false, true])
    func durable(isSealed: Bool) async throws {
        let base = try SmallBase()
        if isSealed {
            _ = try await base.add()
            _ = try base.registry.remove(disk: base.files.disk)
        }
        let (_, events) = try await DiskJournal.recording(below: base.scratch.path) { try await base.add() }
        let written = base.files.derived.filter { $0 != base.files.memory }
        if !isSealed { #expect(publishedDurably(written, events), "\(events)") }
        for path in isSealed ? base.files.sealed.map(\.path) : [base.files.disk, base.files.memory] {
            #expect(events.contains(.synchronized(path)), "\(path)")
        }
        #expect(events.contains(.synchronized(base.scratch.file("vm"))))
        #expect(try base.names() == Self.complete)
    }

    @Test("a guest's memory, and what tells of its pages, is not for everybody; nobody may write")
    func permissions() async throws {
        let base = try SmallBase()
        let machine = try SharedMemory(named: "ram", size: 16 << 20)
        try Directory.remove(base.files.memory)
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
        for path in [base.files.diskHashes, base.files.hash, base.files.seal, base.files.disk] {
            #expect(try #require(try FileStatus.of(path)).permissions & 0o777 == 0o444, "\(path)")
        }
        #expect(try await BaseImport(registry: base.registry).add(base.files.disk, expected: nil).seen != nil)
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
        for path in order.dropFirst(max(0, renames - 1)) { try Directory.move(path, to: FilePath("\(path).part-k1")) }
        try Directory.move(base.files.seal, to: FilePath("\(base.files.seal).\(renames == 0 ? "part" : "commit")-k1"))
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
