// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import CloudletTestSupport
import SystemPackage

/// The files of a base VM that never ran, and a registry for it.
struct SmallBase {
    let scratch: ScratchDirectory
    let registry: Registry
    let files: BaseFiles

    static let pages = 64

    init(cpuModel: String = MachineDescription.defaultCPUModel) throws {
        scratch = try ScratchDirectory()
        registry = try Registry(scratch.file("cloudlet.db"))
        try Directory.create(scratch.file("vm"))
        files = BaseFiles(disk: scratch.file("vm").appending("guest.raw"))
        var random = SeededRandom(seed: 12)
        let bytes = (0..<Self.pages * Page.size).map { _ in UInt8.random(in: 0...255, using: &random) }
        let disk = try File(files.disk, .create(permissions: 0o644))
        try disk.write([UInt8](repeating: 0, count: 510) + [0x55, 0xAA] + bytes, at: 0)
        try disk.resize(to: 4 << 20)
        let memory = try File(files.memory, .create(permissions: 0o600))
        try SnapshotFile.writeTail(
            VMDescription(machine: MachineDescription(memoryMiB: 16, accelerator: .tcg, cpuModel: cpuModel)),
            state: [1, 2, 3], emulator: "7.2", to: memory)
        try memory.write(bytes.reversed(), at: 3 * Page.size)
    }

    /// Registers it.
    func add() async throws -> BaseVM { try await BaseImport(registry: registry).add(files.disk, expected: nil) }

    /// The registry's entry as it is now.
    func record() throws -> BaseVM? { try registry.base(disk: files.disk) }

    /// Opens it as a session does.
    func open() async throws -> OpenBase? {
        guard let record = try record() else { return nil }
        return try await OpenBase.open(record, in: registry)
    }

    /// The names of the files beside the disk, without its own name.
    func names() throws -> [String] {
        try Directory.names(in: scratch.file("vm")).map { String($0.dropFirst("guest.".count)) }
    }
}
