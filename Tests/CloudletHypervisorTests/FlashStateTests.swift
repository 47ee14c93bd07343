// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import SystemPackage
import Testing

@testable import CloudletHypervisor

private enum InstalledFirmware {
    static let isThere = (try? UEFIFirmware.find(for: "pc-q35-7.2")) != nil
}

/// The memory chips of UEFI firmware, in a real emulator.
@Suite(.serialized, .timeLimit(.minutes(3)), .enabled(if: InstalledFirmware.isThere, "needs the package ovmf"))
struct FlashStateTests {
    private func content(_ path: FilePath) throws -> [UInt8] { try File(path, .read).read(8 << 20, at: 0) }

    /// The first instructions that the processor executes, at the end of the chip with the code.
    private func resetVector(_ vm: VirtualMachine) async throws -> String { try await vm.human("xp /4xw 0xfffffff0") }

    @Test(
        "a UEFI machine's state has code and variables, so a host without firmware resumes it, and it boots there anew",
        arguments: ["pc", "q35"])
    func state(name: String) async throws {
        let type = try #require(MachineDescription.machineTypes[name])
        let firmware = try UEFIFirmware.find(for: type)
        let machine = MachineDescription(
            memoryMiB: 64, accelerator: .tcg, machineType: type, firmware: .uefi(firmware.sizes))
        let source = try await SmallVM(waitsForState: false, machine: machine)
        let sourceFlash = try #require(source.flash)
        let vector = try await resetVector(source.vm)
        let state = try await source.vm.saveState()
        let variables = try content(sourceFlash.variables)
        try await source.vm.destroy()

        let target = try await SmallVM(waitsForState: true, machine: machine)
        let flash = try #require(target.flash)
        #expect(try content(flash.code).allSatisfy { $0 == 0 })
        try await target.vm.loadState(state)
        #expect(try await resetVector(target.vm) == vector)
        #expect(!vector.contains("0x00000000 0x00000000 0x00000000 0x00000000"))
        try await target.vm.command("system_reset", Nothing())
        try await target.vm.resume()
        try await target.vm.requireExecution()
        // QEMU writes the chip's content to its file when the VM runs; the guest never changes the header.
        let header = variables.prefix(64)
        #expect(try content(flash.variables).prefix(64) == header && header.contains { $0 != 0 })
        try await target.vm.destroy()
    }
}
