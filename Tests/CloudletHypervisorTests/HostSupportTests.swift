import CloudletCore
import Testing

@testable import CloudletHypervisor

/// Saved states that this host can't resume, found without starting them.
@Suite(.serialized, .timeLimit(.minutes(1))) struct HostSupportTests {
    @Test("another accelerator, an unknown machine type and a CPU model with features that QEMU lacks are refused")
    func refusals() async throws {
        let hypervisor = try await SmallVM.host()
        func refusal(_ change: (inout MachineDescription) -> Void) async throws -> CloudletError? {
            var machine = SmallVM.machine
            change(&machine)
            return try await hypervisor.refusal(of: machine)
        }
        #expect(try await refusal { _ in } == nil)
        #expect(try await refusal { $0.cpuModel = "Nehalem" } == nil)
        #expect(try await refusal { $0.machineType = "pc-q35-7.2" } == nil)
        for (part, refused) in [
            ("under kvm", try await refusal { $0.accelerator = .kvm }),
            ("'pc-i440fx-0.1'", try await refusal { $0.machineType = "pc-i440fx-0.1" }),
            // QEMU's emulation has no AVX-512.
            ("'Skylake-Server'", try await refusal { $0.cpuModel = "Skylake-Server" }),
        ] {
            #expect(refused?.code == .unavailable && refused?.message.contains(part) == true, "\(refused as Any)")
        }
    }

    @Test("CPU models are unusable only where libvirt says so")
    func reading() throws {
        let document = """
            <domainCapabilities><cpu>
            <mode name='host-model' supported='yes'><model usable='no'>Z</model></mode>
            <mode name='custom' supported='yes'><model usable='no' vendor='AMD'>A</model><model usable='yes'>B</model>
            <model usable='unknown'>C</model><model>D</model></mode>
            </cpu></domainCapabilities>
            """
        #expect(try DomainDescriptionReader.unusableCPUModels(in: document) == ["A"])
        #expect(try DomainDescriptionReader.unusableCPUModels(in: "<domainCapabilities/>").isEmpty)
    }
}
