// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// VMs that boot because this host can't run them as they were saved, or because they have no saved memory. With real
/// emulators, each case in a process of its own.
@Suite(.serialized, .timeLimit(.minutes(3))) struct BootInsteadTests {
    @Test(
        "a state that QEMU refuses, or a machine that is not here, makes the VM boot from the rebuilt disk if allowed")
    func bootInstead() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let files = try SmallBase()
            _ = try await files.add()
            guard let base = try await files.open() else { throw LaunchHost.failure }
            let overlay = try SmallOverlay(of: base)
            let synthesizer = Synthesizer(hypervisor: host.hypervisor)
            func synthesize(
                _ start: SynthesisStart, _ blobs: [Int], using warm: WarmVM? = nil
            ) async throws(CloudletError) -> RunningVM {
                try await synthesizer.synthesize(
                    overlay.meta, on: base,
                    // A VM that is known to boot does not need its blob of memory.
                    from: overlay.pieces(blobs, damaged: start.substitute == nil ? [] : [1]), VMOptions(), start: start,
                    using: warm, times: StageTimes())
            }
            let refused = await LaunchHost.result { _ = try await synthesize(.resume, [0, 1]) }
            try LaunchHost.require(!refused.isEmpty, "the state was not refused")
            try await host.requireNothingLeft()

            var machine = base.machine
            machine.cpuModel = "Skylake-Server"
            let reason = CloudletError(.unavailable, "not here", advice: "go away")
            let substitute = SynthesisStart.boot(SubstituteMachine(machine: machine, reason: reason))
            for (start, blobs, isWarm) in [
                (SynthesisStart.resumeOrBoot, [0, 1], false), (.resumeOrBoot, [1, 0], true), (substitute, [0], false),
                (substitute, [1, 0], true),
            ] {
                let warm = isWarm ? try await synthesizer.makeWarmVM(base, VMOptions()) : nil
                let running = try await synthesize(start, blobs, using: warm)
                guard let boot = running.boot?.report else { throw CloudletError(.defect, "it was not booted") }
                if case .boot = start {
                    try LaunchHost.require(boot.reason == "not here", "another reason: \(boot)")
                    try LaunchHost.require(
                        boot.differences.first == "the CPU model is Skylake-Server instead of x86-64-v2"
                            && boot.differences.last?.contains("avx512f") == true, "other differences: \(boot)")
                } else {
                    try LaunchHost.require(
                        boot.reason.contains(refused) && boot.differences == [], "\(refused), but \(boot)")
                }
                let raw = host.scratch.file("raw")
                let converted = try await Tool.run(
                    "qemu-img", ["convert", "-U", "-O", "raw", running.disk.string, raw.string])
                try LaunchHost.require(converted.status == 0, "\(converted)")
                var expected = try base.images.disk.read(try base.images.disk.size(), at: 0)
                expected.replaceSubrange(
                    SmallOverlay.diskOffset..<SmallOverlay.diskOffset + Page.size, with: SmallOverlay.page)
                try LaunchHost.require(try File(raw, .read).read(expected.count, at: 0) == expected, "another disk")
                let memory = try running.memory.file.read(Page.size, at: SmallOverlay.memoryOffset)
                try LaunchHost.require(memory != SmallOverlay.page, "the memory of the overlay is in the VM")
                try await running.end()
                try await host.requireNothingLeft()
            }
            for blobs in [[1], [0, 0], [0, 1, 1]] {
                let error = await LaunchHost.result { _ = try await synthesize(substitute, blobs) }
                try LaunchHost.require(error.contains("blob"), "\(blobs): \(error)")
                try await host.requireNothingLeft()
            }
        }
    }

    @Test("an emulator that can't even wait for the state, because the host lacks CPU features, makes the VM boot too")
    func missingFeatures() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let files = try SmallBase(cpuModel: "Skylake-Server")
            _ = try await files.add()
            guard let base = try await files.open() else { throw LaunchHost.failure }
            let overlay = try SmallOverlay(of: base)
            func synthesize(_ start: SynthesisStart) async throws(CloudletError) -> RunningVM {
                try await Synthesizer(hypervisor: host.hypervisor).synthesize(
                    overlay.meta, on: base, from: overlay.pieces([0, 1]), VMOptions(), start: start, times: StageTimes()
                )
            }
            let refused = await LaunchHost.result { _ = try await synthesize(.resume) }
            try LaunchHost.require(refused.contains("avx512f"), "another error: \(refused)")
            try await host.requireNothingLeft()
            let running = try await synthesize(.resumeOrBoot)
            // The features are named once.
            try LaunchHost.require(running.boot?.report == BootReport(reason: refused), "\(running.boot as Any)")
            try await running.end()
            try await host.requireNothingLeft()
        }
    }

    @Test("a VM whose overlay has no memory boots in any case, and its report is about another machine alone")
    func diskOnlyBoot() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let files = try SmallBase()
            _ = try await files.add()
            guard let base = try await files.open() else { throw LaunchHost.failure }
            let overlay = try SmallOverlay(of: base, diskOnly: true)
            var machine = base.machine
            machine.cpuModel = "Nehalem"
            let reason = CloudletError(.unavailable, "not here")
            let report = BootReport(
                reason: "not here", differences: ["the CPU model is Nehalem instead of x86-64-v2"])
            for (start, expected) in [
                (.resume, nil), (.resumeOrBoot, nil),
                (.boot(SubstituteMachine(machine: machine, reason: reason)), report),
            ] as [(SynthesisStart, BootReport?)] {
                let running = try await Synthesizer(hypervisor: host.hypervisor).synthesize(
                    overlay.meta, on: base, from: overlay.pieces([0]), VMOptions(), start: start, times: StageTimes())
                try LaunchHost.require(running.boot?.report == expected, "\(start): \(running.boot as Any)")
                try await running.end()
                try await host.requireNothingLeft()
            }
        }
    }

    @Test("a disk that was written to while its VM waited for the state is not booted")
    func changedDisk() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let files = try SmallBase()
            _ = try await files.add()
            guard let base = try await files.open() else { throw LaunchHost.failure }
            let work = Synthesizer.Work(
                meta: try SmallOverlay(of: base).meta, base: base, options: VMOptions(), times: StageTimes(),
                progress: { _ in })
            for isChanged in [false, true] {
                let launch = try VMLaunch(base.machine, on: host.hypervisor)
                let result = await LaunchHost.result {
                    let running = try await launch.complete { () async throws(CloudletError) in
                        let layer = try launch.layer(over: base)
                        try layer.finish()
                        let written = try layer.status()
                        if isChanged {
                            let file = try File(layer.path, .readWrite)
                            try file.write(try file.read(1, at: 0), at: 0)
                        }
                        return try await Synthesizer(hypervisor: host.hypervisor).boot(
                            insteadOf: launch, layer, written, work, because: LaunchHost.failure)
                    }
                    try await running.end()
                }
                try LaunchHost.require(
                    result == (isChanged ? LaunchHost.failure.message : ""), "\(isChanged): \(result)")
                try await host.requireNothingLeft()
            }
        }
    }
}
