// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Testing

@testable import CloudletHypervisor

/// Virtual hardware that this host's hypervisor does not have.
@Suite(.serialized, .timeLimit(.minutes(1))) struct RefusedMachineTests {
    @Test(
        "a machine type or CPU model that is not available is refused in the hypervisor's own words, which name it",
        arguments: [("pc-i440fx-0.1", "x86-64-v2"), ("pc-i440fx-7.2", "NoSuchModel")])
    func unavailable(type: String, model: String) async throws {
        let machine = MachineDescription(memoryMiB: 64, accelerator: .tcg, cpuModel: model, machineType: type)
        let before = try await SmallVM(waitsForState: false)
        let error = await #expect(throws: CloudletError.self) {
            _ = try await SmallVM(waitsForState: true, machine: machine)
        }
        let text = error.map { "\($0.description) \($0.cause.map { "\($0)" } ?? "")" } ?? ""
        #expect(text.contains(type == "pc-i440fx-0.1" ? type : model), "\(text)")
        #expect(try await before.hypervisor.runningVMs() == [before.vm.name])
        try await before.vm.destroy()
    }

    @Test(
        "a CPU model of which the accelerator lacks features is refused with their names, to boot and to be resumed",
        arguments: [false, true])
    func missingFeatures(waitsForState: Bool) async throws {
        // QEMU's emulation has no AVX-512.
        let machine = MachineDescription(memoryMiB: 64, accelerator: .tcg, cpuModel: "Skylake-Server")
        let complete = try await SmallVM(
            waitsForState: waitsForState,
            machine: MachineDescription(memoryMiB: 64, accelerator: .tcg, cpuModel: "Nehalem"))
        let error = await #expect(throws: CloudletError.self) {
            _ = try await SmallVM(waitsForState: waitsForState, machine: machine)
        }
        let text = error?.description ?? ""
        #expect(error?.code == .unavailable && text.contains("Skylake-Server") && text.contains("avx512f"), "\(text)")
        #expect(text.contains("--cpu-model x86-64-v2"), "\(text)")
        // The caller ends what it began.
        let left = try await complete.hypervisor.removeLeftovers(except: [complete.vm.name])
        #expect(left.count == 1)
        try await complete.vm.destroy()
    }

    @Test("a CPU model without a known name is refused before anything is made")
    func unknownModel() async throws {
        let hypervisor = try await SmallVM.host()
        for known in ["x86-64-v2", "qemu64", "EPYC"] { try await hypervisor.requireCPUModel(named: known) }
        let error = await #expect(throws: CloudletError.self) {
            try await hypervisor.requireCPUModel(named: "nonsense")
        }
        #expect(error?.message.contains("nonsense") == true && error?.code == .unavailable)
    }

    @Test("the advice for a host that is older than the default model names an older model")
    func oldHost() {
        let error = MachineDescription(accelerator: .kvm).refusal(missing: ["sse4.2", "popcnt"])
        #expect(error?.message.contains("lacks 2 features of the CPU model 'x86-64-v2': sse4.2, popcnt") == true)
        #expect(error?.advice?.contains("--cpu-model qemu64") == true)
        #expect(MachineDescription(accelerator: .kvm).refusal(missing: []) == nil)
    }
}
