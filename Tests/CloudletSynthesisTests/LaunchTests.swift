import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import Glibc
import Synchronization
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// What a VM takes of its host belongs to its launch, then to the running VM, and is given back whatever happens. With real
/// emulators, each case in a process of its own: libvirt's driver can be had once in a process.
@Suite(.serialized, .timeLimit(.minutes(3))) struct LaunchTests {
    private static let machine = MachineDescription(memoryMiB: 64, accelerator: .tcg)
    private static let failure = CloudletError(.badData, "it went wrong")

    /// A host of VMs.
    private struct Host {
        let scratch: ScratchDirectory
        let hypervisor: Hypervisor
        let disk: FilePath

        init(ending: @escaping Hypervisor.Ending = { _, end in (try? await end()) != nil }) async throws {
            scratch = try ScratchDirectory()
            hypervisor = try await Hypervisor.open(
                HypervisorRoot(under: scratch.file("hypervisors"), role: .command), accelerator: .tcg, ending: ending)
            try scratch.write("disk", []).resize(to: 1 << 20)
            disk = scratch.file("disk")
        }

        /// Nothing is left of any VM.
        func requireNothingLeft() async throws {
            let running = try await hypervisor.runningVMs()
            let directories = try Directory.names(in: hypervisor.workDirectory)
            guard running.isEmpty, directories.isEmpty else {
                throw CloudletError(.defect, "left: \(running), \(directories)")
            }
        }

        func start(_ launch: VMLaunch, waitingForState waits: Bool = false) async throws(CloudletError) {
            try await launch.startEmulator(on: .raw(disk), waitingForState: waits, VMOptions(), StageTimes())
        }
    }

    private static func require(_ condition: Bool, _ what: String) throws {
        guard condition else { throw CloudletError(.defect, what) }
    }

    @Test("a launch that fails, before or after its emulator has started, leaves neither emulator nor files")
    func failing() async {
        await #expect(processExitsWith: .success) {
            let host = try await Host()
            for starts in [false, true] {
                let launch = try VMLaunch(Self.machine, on: host.hypervisor)
                let result = await Self.result {
                    try await launch.complete { () async throws(CloudletError) in
                        try File(launch.directory.appending("file"), .create(permissions: 0o600)).resize(to: 1)
                        if starts { try await host.start(launch) }
                        throw Self.failure
                    }
                }
                try Self.require(result == Self.failure.message, "another error: \(result)")
                try await host.requireNothingLeft()
            }
        }
    }

    @Test("a VM that can't be ended, of a failed launch or left behind, keeps nothing else and can be ended later")
    func unended() async {
        await #expect(processExitsWith: .success) {
            let ends = Mutex<[String: @Sendable () async throws(CloudletError) -> Void]>([:])
            let host = try await Host { name, end in
                // The first one can't be ended.
                let isStuck = ends.withLock { ends in
                    if ends.isEmpty { ends[name] = end }
                    return ends[name] != nil
                }
                return isStuck ? false : (try? await end()) != nil
            }
            let launch = try VMLaunch(Self.machine, on: host.hypervisor)
            let result = await Self.result {
                try await launch.complete { () async throws(CloudletError) in
                    try await host.start(launch)
                    throw Self.failure
                }
            }
            try Self.require(result == Self.failure.message, "another error: \(result)")
            try Self.require(try await host.hypervisor.runningVMs() == [launch.name], "it does not run any more")

            let second = try VMLaunch(Self.machine, on: host.hypervisor)
            // QEMU locks the disk of the first VM.
            let disk = host.scratch.file("another")
            try host.scratch.write("another", []).resize(to: 1 << 20)
            try await second.startEmulator(on: .raw(disk), waitingForState: false, VMOptions(), StageTimes())
            let directory = try host.hypervisor.makeDirectory(of: host.hypervisor.newName())
            let ended = try await host.hypervisor.removeLeftovers()
            try Self.require(ended == [second.name], "others are reported as ended: \(ended)")
            try Self.require(try FileStatus.of(directory) == nil, "a directory is left")
            try Self.require(try await host.hypervisor.runningVMs() == [launch.name], "another VM runs")
            guard let end = ends.withLock({ $0[launch.name] }) else { throw Self.failure }
            try await end()
            try await host.requireNothingLeft()
        }
    }

    @Test("an emulator that starts while the memory is filled is ended when that fails")
    func failingBeside() async {
        await #expect(processExitsWith: .success) {
            let host = try await Host()
            let launch = try VMLaunch(Self.machine, on: host.hypervisor)
            let result = await Self.result {
                try await launch.complete { () async throws(CloudletError) in
                    _ = try await concurrently(
                        { () async throws(CloudletError) in throw Self.failure },
                        { () async throws(CloudletError) in try await host.start(launch, waitingForState: true) })
                }
            }
            try Self.require(result == Self.failure.message, "another error: \(result)")
            try await host.requireNothingLeft()
        }
    }

    @Test("a launch that is cancelled while its emulator waits leaves nothing")
    func cancelled() async {
        await #expect(processExitsWith: .success) {
            let host = try await Host()
            let launch = try VMLaunch(Self.machine, on: host.hypervisor)
            let started = AsyncEvent()
            let work = Task {
                try await launch.complete { () async throws(CloudletError) in
                    try await host.start(launch, waitingForState: true)
                    started.set()
                    await AsyncEvent().wait()
                    throw CloudletError(.interrupted, "interrupted")
                }
            }
            await started.wait()
            try Self.require(try await host.hypervisor.runningVMs() == [launch.name], "it does not run")
            work.cancel()
            _ = await work.result
            try await host.requireNothingLeft()
        }
    }

    @Test("a VM that runs ends with the work in it, however that ends, and ending it once more does no harm")
    func running() async {
        await #expect(processExitsWith: .success) {
            let host = try await Host()
            for fails in [false, true] {
                let launch = try VMLaunch(Self.machine, on: host.hypervisor)
                let running = try await launch.complete { () async throws(CloudletError) in
                    try await host.start(launch)
                    return try await launch.run(
                        .init(booting: VMDescription(machine: Self.machine)), VMOptions(), StageTimes())
                }
                try Self.require(launch.hasRun, "it has not run")
                let result = await Self.result {
                    try await running.endingAfter { () async throws(CloudletError) in
                        if fails { throw Self.failure }
                    }
                }
                try Self.require(result == (fails ? Self.failure.message : ""), "another end: \(result)")
                try await host.requireNothingLeft()
                try await running.end()
            }
        }
    }

    @Test("finished work is not lost when only the files of its VM can't be removed")
    func unremovableFiles() async {
        await #expect(processExitsWith: .success) {
            let host = try await Host()
            let launch = try VMLaunch(Self.machine, on: host.hypervisor)
            let running = try await launch.complete { () async throws(CloudletError) in
                try await host.start(launch)
                return try await launch.run(
                    .init(booting: VMDescription(machine: Self.machine)), VMOptions(), StageTimes())
            }
            let work = host.hypervisor.workDirectory
            let value = try await running.endingAfter { () async throws(CloudletError) in
                // A link to itself, below which nothing can be removed.
                try FileSystem.move(work, to: FilePath("\(work).moved"))
                guard unsafe symlink("work", work.string) == 0 else { throw Self.failure }
                return 7
            }
            try Self.require(value == 7, "another value: \(value)")
            try Self.require(try await host.hypervisor.runningVMs().isEmpty, "the VM still runs")
        }
    }

    @Test("a warm VM that does not answer, or is asked in a cancelled task, counts as lost and is not ended")
    func stuckWarmVM() async {
        await #expect(processExitsWith: .success) {
            let host = try await Host()
            let base = try SmallBase()
            _ = try await base.add()
            guard let open = try await base.open() else { throw Self.failure }
            let warm = try await Synthesizer(hypervisor: host.hypervisor).makeWarmVM(open, VMOptions())
            let process = try await warm.machine.processID()
            try Self.require(await warm.isWaiting, "it does not wait")
            try Self.require(kill(process, SIGSTOP) == 0, "it can't be stopped")
            try Self.require(await !warm.isWaiting(within: .milliseconds(200)), "it answers")
            let asking = Task { await warm.isWaiting }
            asking.cancel()
            try Self.require(await !asking.value, "it answers a cancelled task")
            try Self.require(kill(process, SIGCONT) == 0, "it was ended")
            try Self.require(await warm.isWaiting, "it does not wait any more")
            try await warm.discard()
            try await host.requireNothingLeft()
        }
    }

    @Test(
        "a state that QEMU refuses, or a machine that is not here, makes the VM boot from the rebuilt disk if allowed")
    func bootInstead() async {
        await #expect(processExitsWith: .success) {
            let host = try await Host()
            let files = try SmallBase()
            _ = try await files.add()
            guard let base = try await files.open() else { throw Self.failure }
            let overlay = try SmallOverlay(of: base)
            func synthesize(_ start: SynthesisStart, _ blobs: [Int]) async throws(CloudletError) -> RunningVM {
                try await Synthesizer(hypervisor: host.hypervisor).synthesize(
                    overlay.meta, on: base, from: overlay.pieces(blobs), VMOptions(), start: start, times: StageTimes())
            }
            let refused = await Self.result { _ = try await synthesize(.resume, [0, 1]) }
            try Self.require(!refused.isEmpty, "the state was not refused")
            try await host.requireNothingLeft()

            var machine = base.machine
            machine.cpuModel = "Skylake-Server"
            let reason = CloudletError(.unavailable, "not here", advice: "go away")
            let substitute = SynthesisStart.boot(SubstituteMachine(machine: machine, reason: reason))
            for (start, blobs) in [(SynthesisStart.resumeOrBoot, [0, 1]), (substitute, [0]), (substitute, [1, 0])] {
                let running = try await synthesize(start, blobs)
                guard let boot = running.boot else { throw CloudletError(.defect, "it was not booted") }
                if case .boot = start {
                    try Self.require(boot.reason == "not here", "another reason: \(boot)")
                    try Self.require(
                        boot.differences.first == "the CPU model is Skylake-Server instead of x86-64-v2"
                            && boot.differences.last?.contains("avx512f") == true, "other differences: \(boot)")
                } else {
                    try Self.require(boot.reason.contains(refused) && boot.differences == [], "\(refused), but \(boot)")
                }
                let raw = host.scratch.file("raw")
                let converted = try await Tool.run(
                    "qemu-img", ["convert", "-U", "-O", "raw", running.disk.string, raw.string])
                try Self.require(converted.status == 0, "\(converted)")
                var expected = try base.images.disk.read(try base.images.disk.size(), at: 0)
                expected.replaceSubrange(
                    SmallOverlay.diskOffset..<SmallOverlay.diskOffset + Page.size, with: SmallOverlay.page)
                try Self.require(try File(raw, .read).read(expected.count, at: 0) == expected, "another disk")
                let memory = try running.memory.file.read(Page.size, at: SmallOverlay.memoryOffset)
                try Self.require(memory != SmallOverlay.page, "the memory of the overlay is in the VM")
                try await running.end()
                try await host.requireNothingLeft()
            }
            for blobs in [[1], [0, 0], [0, 1, 1]] {
                let error = await Self.result { _ = try await synthesize(substitute, blobs) }
                try Self.require(error.contains("blob"), "\(blobs): \(error)")
                try await host.requireNothingLeft()
            }
        }
    }

    @Test("a forward that can't be opened fails the launch before the guest has executed anything")
    func takenPort() async {
        await #expect(processExitsWith: .success) {
            let host = try await Host()
            let launch = try VMLaunch(Self.machine, on: host.hypervisor)
            var options = VMOptions()
            options.forwarding.forwards = [PortForward(hostPort: 53, guestPort: 53)]
            options.forwarding.mayOpen = { _ in false }
            let result = await Self.result {
                _ = try await launch.complete { () async throws(CloudletError) in
                    try await host.start(launch)
                    return try await launch.run(
                        .init(booting: VMDescription(machine: Self.machine)), options, StageTimes())
                }
            }
            try Self.require(result.contains("port 53 of this host"), "another error: \(result)")
            try Self.require(!launch.hasRun, "it has run")
            try await host.requireNothingLeft()
        }
    }

    @Test("a client waits 300 ms for a silent guest agent and no longer, and what was not done is told later")
    func silentAgent() async {
        await #expect(processExitsWith: .success) {
            let host = try await Host()
            let launch = try VMLaunch(Self.machine, on: host.hypervisor)
            let times = StageTimes()
            let refresh = try await launch.complete { () async throws(CloudletError) in
                try await host.start(launch)
                let saved = VMDescription(machine: Self.machine, guest: GuestSupport(clock: .agent, random: .agent))
                return try await launch.machine.run(
                    stage: .resume, readyOn: nil, [], within: .seconds(5), advice: "", times, refreshing: saved)
            }
            try Self.require(refresh.result == nil, "a guest without agent was refreshed")
            let time = times.entries.first { $0.stage == .refreshGuest }?.duration ?? .zero
            try Self.require(time >= .milliseconds(300) && time < .milliseconds(900), "it took \(time)")
            try await launch.tearDown()
            let warnings = await refresh.result(within: nil)?.warnings ?? []
            try Self.require(warnings.count == 2, "told: \(warnings)")
            try Self.require(warnings.allSatisfy { $0.contains("the VM ended before its agent") }, "told: \(warnings)")
            try await host.requireNothingLeft()
        }
    }

    /// What `body` throws; nothing when it returns.
    private static func result(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return ""
        } catch { return (error as? CloudletError)?.message ?? "\(error)" }
    }
}
