// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletHypervisor
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletNode

/// Base VMs that this node can't run.
@Suite struct BaseSupportTests {
    private let scratch: ScratchDirectory
    private let log = RecordedLog()
    /// The accelerator of the host; `nil` if it is not known.
    private let host = LockedValue<String?>("tcg")

    init() throws { scratch = try ScratchDirectory() }

    private func support() -> BaseSupport {
        BaseSupport(logger: log.logger) { [host] (base) async throws(CloudletError) in
            guard let host = host.value else { throw CloudletError(.unavailable, "libvirt does not answer") }
            if base.accelerator == host { return .resumes }
            let reason = CloudletError(.unavailable, "made under \(base.accelerator)")
            guard base.files.name.hasPrefix("boots") else { return .refused(reason) }
            return .boots(SubstituteMachine(machine: MachineDescription(accelerator: .tcg), reason: reason))
        }
    }

    private func base(_ name: String, _ accelerator: String) -> BaseVM {
        let hash = SHA256Digest(hashing: Array(name.utf8).span)
        return BaseVM(
            files: BaseFiles(disk: scratch.file(name)), hash: hash, memoryHash: hash, diskBytes: 1, diskModified: 1,
            memoryBytes: 64 << 20, accelerator: accelerator, created: 1)
    }

    @Test("only those that the node can run are announced; each other one is logged once, and again when it can run")
    func announced() async {
        let support = support()
        let bases = [base("a", "kvm"), base("b", "tcg"), base("c", "kvm")]
        for _ in 0..<3 { #expect(await support.supported(bases) == [bases[1]]) }
        let refusal = "a base VM can't run on this host and is not announced"
        #expect(log.messages == [refusal, refusal])
        let later = ContinuousClock.now + .seconds(61)
        host.value = "kvm"
        #expect(await support.refusal(of: bases[0]) != nil, "verdicts are not asked for each time")
        #expect(await support.refusal(of: bases[0], at: later) == nil)
        #expect(log.messages.last == "a base VM can run on this host now")
    }

    @Test("those that can only boot are announced apart, get no warm VMs, and are refused to those who allow no boot")
    func bootable() async throws {
        let support = support()
        let bases = [base("boots-a", "kvm"), base("b", "tcg"), base("c", "kvm")]
        for _ in 0..<2 {
            let announced = await support.announced(bases)
            #expect(announced.resumable == [HeldBase(hash: bases[1].hash, name: "b")])
            #expect(announced.bootable == [HeldBase(hash: bases[0].hash, name: "boots-a")])
        }
        #expect(await support.supported(bases) == [bases[1]])
        let notice = "a base VM can only boot on this host; it is announced to clients that allow this"
        #expect(log.messages == [notice, "a base VM can't run on this host and is not announced"])
        let verdict = await support.support(of: bases[0])
        #expect(try SynthesisStart(verdict, allowingBoot: true).substitute?.reason.message == "made under kvm")
        let refusal = #expect(throws: CloudletError.self) { try SynthesisStart(verdict, allowingBoot: false) }
        #expect(refusal?.code == .unavailable && refusal?.description.contains("--allow-boot") == true)
        let refused = await support.support(of: bases[2])
        for allows in [false, true] {
            #expect(throws: CloudletError.self) { try SynthesisStart(refused, allowingBoot: allows) }
            let start = try SynthesisStart(.resumes, allowingBoot: allows)
            #expect(start.substitute == nil && start.allowsBoot == allows)
        }
        let warnings = try await support.warnings(about: bases)
        #expect(
            warnings.first?.hasPrefix("boots-a (\(bases[0].hash.short)) can only boot here: made under kvm") == true)
        await #expect(throws: CloudletError.self) { try await support.warnings(about: [bases[0]]) }
    }

    @Test("while nothing is known, what was known before counts, and at first nothing is refused") func unknown() async
    {
        let support = support()
        let bases = [base("a", "kvm"), base("b", "tcg")]
        host.value = nil
        #expect(await support.supported(bases) == bases)
        host.value = "tcg"
        #expect(await support.supported(bases) == [bases[1]])
        host.value = nil
        #expect(await support.refusal(of: bases[0], at: .now + .seconds(3600)) != nil)
    }

    @Test("a node with base VMs of which it can run none is not ready; if it can run some, the others are warnings")
    func health() async throws {
        let support = support()
        let (other, own) = (base("a", "kvm"), base("b", "tcg"))
        #expect(try await support.warnings(about: []).isEmpty)
        #expect(try await support.warnings(about: [own]).isEmpty)
        let warnings = try await support.warnings(about: [other, own])
        #expect(warnings == ["a (\(other.hash.short)) can't run here: made under kvm"])
        let one = await #expect(throws: CloudletError.self) { _ = try await support.warnings(about: [other]) }
        #expect(one?.code == .unavailable && one?.message == warnings[0])
        let all = await #expect(throws: CloudletError.self) {
            _ = try await support.warnings(about: [other, base("c", "kvm")])
        }
        #expect(all?.message == "none of the 2 can run here; for example, \(warnings[0])")
    }

    @Test("a base VM's machine is that of its snapshot; if it can't be read, its accelerator is still known")
    func machine() throws {
        let base = base("a", "kvm")
        #expect(base.machine == MachineDescription(memoryMiB: 64, accelerator: .kvm))
        let saved = MachineDescription(memoryMiB: 64, accelerator: .tcg, cpuModel: "Nehalem")
        let file = try File(base.files.memory, .create(permissions: 0o600))
        try SnapshotFile.writeTail(VMDescription(machine: saved), state: [1], emulator: "test", to: file)
        #expect(base.machine == saved)
    }
}
