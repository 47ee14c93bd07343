import CloudletCore
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
}
