// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Testing

@testable import CloudletHypervisor

/// Device state on its way out of a real emulator and into another one.
@Suite(.serialized, .timeLimit(.minutes(3))) struct DeviceStateTests {
    /// A paused VM's device state.
    private func state(of machine: MachineDescription = SmallVM.machine) async throws -> [UInt8] {
        let source = try await SmallVM(waitsForState: false, machine: machine)
        let state = try await source.vm.saveState()
        try await source.vm.destroy()
        return state
    }

    @Test(
        "a VM that waits takes the state of another one, and runs; it takes one only once",
        arguments: [
            SmallVM.machine, MachineDescription(memoryMiB: 4096, vcpus: 4, accelerator: .tcg),
            MachineDescription(memoryMiB: 8192, vcpus: 4, accelerator: .tcg),
        ])
    func roundTrip(machine: MachineDescription) async throws {
        let state = try await state(of: machine)
        let target = try await SmallVM(waitsForState: true, machine: machine)
        #expect(await target.vm.isWaitingForState)
        // The guest shall not make its address known anew again and again; with 0, QEMU dies when it resets its card.
        #expect(try await target.vm.query("query-migrate-parameters", as: MigrationParameters.self).announceRounds == 1)
        try await target.vm.loadState(state)
        #expect(await !target.vm.isWaitingForState)
        let error = await #expect(throws: CloudletError.self) { try await target.vm.loadState(state) }
        #expect(error?.code == .defect)
        let idle = await #expect(throws: CloudletError.self) { try await target.vm.requireExecution() }
        #expect(idle?.message.contains("does not run") == true, "\(idle?.message ?? "")")
        try await target.vm.resume()
        try await target.vm.requireExecution()
        try await target.vm.destroy()
    }

    @Test("a VM whose state can't be saved is refused at once, in the emulator's words, and keeps running")
    func refused() async throws {
        // QEMU saves no state of a VM that waits for one.
        let waiting = try await SmallVM(waitsForState: true)
        let error = await #expect(throws: CloudletError.self) { _ = try await waiting.vm.saveState() }
        #expect(error?.description.contains("incoming migration") == true, "\(error?.description ?? "")")
        #expect(await waiting.vm.isWaitingForState)
        try await waiting.vm.destroy()
    }

    @Test("a state that was cut short is refused at once, in the emulator's words, and nothing is left")
    func truncated() async throws {
        let state = try await state()
        let target = try await SmallVM(waitsForState: true)
        let process = try await target.vm.processID()
        let time = try await ContinuousClock().measure {
            let error = await #expect(throws: CloudletError.self) {
                try await target.vm.loadState(Array(state.prefix(state.count / 2)))
            }
            #expect(error?.description.contains("the emulator ended") == true, "\(error?.description ?? "")")
            try await target.vm.destroy()
        }
        #expect(time < .seconds(9), "\(time)")
        #expect(try await target.isGone(process))
    }
}

extension VirtualMachine {
    /// Gives a waiting VM these bytes for its device state.
    func loadState(_ state: [UInt8]) async throws(CloudletError) {
        try await loadState { (stream) throws(CloudletError) in try stream.writeAll(state.span) }
    }
}
