// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc

@testable import CloudletHypervisor

/// A real emulator, which executes nothing yet.
struct SmallVM {
    static let machine = MachineDescription(memoryMiB: 64, accelerator: .tcg)

    /// A hypervisor of which there can be only one in a process.
    private static let shared = Task {
        let scratch = try ScratchDirectory()
        let root = try HypervisorRoot(under: scratch.path, role: .command)
        return (scratch, try await Hypervisor.open(root, accelerator: .tcg))
    }

    /// The hypervisor of all small VMs.
    static func host() async throws -> Hypervisor { try await shared.value.1 }

    let hypervisor: Hypervisor
    let vm: VirtualMachine
    let memory: SharedMemory
    /// The files of its firmware, if it has UEFI.
    let flash: FlashFiles?

    /// A VM whose disk begins with some bytes.
    init(waitsForState: Bool, machine: MachineDescription = Self.machine, disk: [UInt8] = []) async throws {
        let (scratch, hypervisor) = try await Self.shared.value
        self.hypervisor = hypervisor
        let name = hypervisor.newName()
        memory = try SharedMemory(named: "cloudlet-ram", size: machine.memoryBytes)
        try scratch.write(name, disk).resize(to: 1 << 20)
        let directory = scratch.file("flash-\(name)")
        try Directory.create(directory)
        flash = try machine.firmware.makeFlash(in: directory, for: machine.machineType, boots: !waitsForState)
        let resources = VMResources(
            name: name, disk: scratch.file(name), diskFormat: .raw, memoryPath: memory.path,
            waitsForState: waitsForState, flash: flash)
        vm = try await hypervisor.start(machine, resources, paused: true)
    }

    /// Whether nothing of it is left; `process` was its emulator's.
    func isGone(_ process: Int32) async throws -> Bool {
        let hasEnded = try await poll(every: .milliseconds(20), for: .seconds(60)) { () throws(CloudletError) in
            kill(process, 0) != 0
        }
        let known = try await hypervisor.runningVMs()
        let isActive = await vm.isActive
        return hasEnded && !known.contains(vm.name) && !isActive
    }
}
