// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@testable import CloudletHypervisor

/// Saved states that this host can't resume, found without starting them.
@Suite(.serialized, .timeLimit(.minutes(1))) struct HostSupportTests {
    @Test("another accelerator, machine type or CPU model than this host's is refused, with what may boot instead")
    func refusals() async throws {
        let hypervisor = try await SmallVM.host()
        func changed(_ change: (inout MachineDescription) -> Void) -> MachineDescription {
            var machine = SmallVM.machine
            change(&machine)
            return machine
        }
        for machine in [
            SmallVM.machine, changed { $0.cpuModel = "Nehalem" }, changed { $0.machineType = "pc-q35-7.2" },
        ] {
            #expect(try await hypervisor.support(of: machine).refusal == nil)
        }
        for (part, differences, machine) in [
            ("under kvm", ["the accelerator is tcg instead of kvm"], changed { $0.accelerator = .kvm }),
            // QEMU's emulation has no AVX-512. A guest that boots does without it.
            ("lacks features of the CPU model 'Skylake-Server'", [], changed { $0.cpuModel = "Skylake-Server" }),
            (
                "has no CPU model 'Nonsense'", ["the CPU model is x86-64-v2 instead of Nonsense"],
                changed { $0.cpuModel = "Nonsense" }
            ),
        ] as [(String, [String], MachineDescription)] {
            let support = try await hypervisor.support(of: machine)
            let refusal = support.refusal
            #expect(refusal?.code == .unavailable && refusal?.message.contains(part) == true, "\(refusal as Any)")
            #expect(refusal?.advice?.contains("'cloudlet-find --allow-boot'") == true, "\(refusal as Any)")
            guard case .boots(let substitute) = support else {
                Issue.record("it does not boot: \(part)")
                continue
            }
            #expect(substitute.machine.differences(from: machine) == differences)
            #expect(substitute.machine.accelerator == .tcg && substitute.machine.memoryMiB == machine.memoryMiB)
            #expect(!substitute.reason.description.contains("--allow-boot"))
        }
    }

    @Test("a machine type of another QEMU is replaced by the newest of its family, or the VM is refused")
    func machineTypes() async throws {
        let hypervisor = try await SmallVM.host()
        var machine = SmallVM.machine
        machine.machineType = "pc-i440fx-99.1"
        guard case .boots(let substitute) = try await hypervisor.support(of: machine) else {
            Issue.record("it does not boot")
            return
        }
        #expect(substitute.reason.message.contains("'pc-i440fx-99.1'"), "\(substitute.reason)")
        let type = substitute.machine.machineType
        #expect(type.hasPrefix("pc-i440fx-") && type != machine.machineType)
        var here = machine
        here.machineType = type
        #expect(try await hypervisor.support(of: here).refusal == nil)
        machine.machineType = "sun4m-1.0"
        let refused = try await hypervisor.support(of: machine)
        guard case .refused(let refusal) = refused else {
            Issue.record("it boots")
            return
        }
        #expect(refusal.code == .unavailable && refused.refusal?.description.contains("--allow-boot") == false)
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
        #expect(try DomainDescriptionReader.cpuModels(in: document) == ["A": false, "B": true, "C": true, "D": true])
        #expect(try DomainDescriptionReader.cpuModels(in: "<domainCapabilities/>").isEmpty)
        #expect(throws: CloudletError.self) { try DomainDescriptionReader.machineType(in: "<domainCapabilities/>") }
        let named = "<domainCapabilities><machine>pc-q35-7.2</machine></domainCapabilities>"
        #expect(try DomainDescriptionReader.machineType(in: named) == "pc-q35-7.2")
    }
}
