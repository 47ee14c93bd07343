// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
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
    @Test("a launch that fails, before or after its emulator has started, leaves neither emulator nor files")
    func failing() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            for starts in [false, true] {
                let launch = try VMLaunch(LaunchHost.machine, on: host.hypervisor)
                let result = await LaunchHost.result {
                    try await launch.complete { () async throws(CloudletError) in
                        try File(launch.directory.appending("file"), .create(permissions: 0o600)).resize(to: 1)
                        if starts { try await host.start(launch) }
                        throw LaunchHost.failure
                    }
                }
                try LaunchHost.require(result == LaunchHost.failure.message, "another error: \(result)")
                try await host.requireNothingLeft()
            }
        }
    }

    @Test("a VM that can't be ended, of a failed launch or left behind, keeps nothing else and can be ended later")
    func unended() async {
        await #expect(processExitsWith: .success) {
            let ends = Mutex<[String: @Sendable () async throws(CloudletError) -> Void]>([:])
            let host = try await LaunchHost { name, end in
                // The first one can't be ended.
                let isStuck = ends.withLock { ends in
                    if ends.isEmpty { ends[name] = end }
                    return ends[name] != nil
                }
                return isStuck ? false : (try? await end()) != nil
            }
            let launch = try VMLaunch(LaunchHost.machine, on: host.hypervisor)
            let result = await LaunchHost.result {
                try await launch.complete { () async throws(CloudletError) in
                    try await host.start(launch)
                    throw LaunchHost.failure
                }
            }
            try LaunchHost.require(result == LaunchHost.failure.message, "another error: \(result)")
            try LaunchHost.require(try await host.hypervisor.runningVMs() == [launch.name], "it does not run any more")

            let second = try VMLaunch(LaunchHost.machine, on: host.hypervisor)
            // QEMU locks the disk of the first VM.
            let disk = host.scratch.file("another")
            try host.scratch.write("another", []).resize(to: 1 << 20)
            try await second.startEmulator(on: .raw(disk), waitingForState: false, VMOptions(), StageTimes())
            let directory = try host.hypervisor.makeDirectory(of: host.hypervisor.newName())
            let ended = try await host.hypervisor.removeLeftovers()
            try LaunchHost.require(ended == [second.name], "others are reported as ended: \(ended)")
            try LaunchHost.require(try FileStatus.of(directory) == nil, "a directory is left")
            try LaunchHost.require(try await host.hypervisor.runningVMs() == [launch.name], "another VM runs")
            guard let end = ends.withLock({ $0[launch.name] }) else { throw LaunchHost.failure }
            try await end()
            try await host.requireNothingLeft()
        }
    }

    @Test("an emulator that starts while the memory is filled is ended when that fails")
    func failingBeside() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let launch = try VMLaunch(LaunchHost.machine, on: host.hypervisor)
            let result = await LaunchHost.result {
                try await launch.complete { () async throws(CloudletError) in
                    _ = try await concurrently(
                        { () async throws(CloudletError) in throw LaunchHost.failure },
                        { () async throws(CloudletError) in try await host.start(launch, waitingForState: true) })
                }
            }
            try LaunchHost.require(result == LaunchHost.failure.message, "another error: \(result)")
            try await host.requireNothingLeft()
        }
    }

    @Test("a launch that is cancelled while its emulator waits leaves nothing")
    func cancelled() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let launch = try VMLaunch(LaunchHost.machine, on: host.hypervisor)
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
            try LaunchHost.require(try await host.hypervisor.runningVMs() == [launch.name], "it does not run")
            work.cancel()
            _ = await work.result
            try await host.requireNothingLeft()
        }
    }

    @Test("a VM that runs ends with the work in it, however that ends, and ending it once more does no harm")
    func running() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            for fails in [false, true] {
                let launch = try VMLaunch(LaunchHost.machine, on: host.hypervisor)
                let running = try await launch.complete { () async throws(CloudletError) in
                    try await host.start(launch)
                    return try await launch.run(
                        .init(booting: VMDescription(machine: LaunchHost.machine)), VMOptions(), StageTimes())
                }
                try LaunchHost.require(launch.hasRun, "it has not run")
                let result = await LaunchHost.result {
                    try await running.endingAfter { () async throws(CloudletError) in
                        if fails { throw LaunchHost.failure }
                    }
                }
                try LaunchHost.require(result == (fails ? LaunchHost.failure.message : ""), "another end: \(result)")
                try await host.requireNothingLeft()
                try await running.end()
            }
        }
    }

    @Test("finished work is not lost when only the files of its VM can't be removed")
    func unremovableFiles() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let launch = try VMLaunch(LaunchHost.machine, on: host.hypervisor)
            let running = try await launch.complete { () async throws(CloudletError) in
                try await host.start(launch)
                return try await launch.run(
                    .init(booting: VMDescription(machine: LaunchHost.machine)), VMOptions(), StageTimes())
            }
            let work = host.hypervisor.workDirectory
            let value = try await running.endingAfter { () async throws(CloudletError) in
                // A link to itself, below which nothing can be removed.
                try FileSystem.move(work, to: FilePath("\(work).moved"))
                guard unsafe symlink("work", work.string) == 0 else { throw LaunchHost.failure }
                return 7
            }
            try LaunchHost.require(value == 7, "another value: \(value)")
            try LaunchHost.require(try await host.hypervisor.runningVMs().isEmpty, "the VM still runs")
        }
    }

    @Test("a warm VM that does not answer, or is asked in a cancelled task, counts as lost and is not ended")
    func stuckWarmVM() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let base = try SmallBase()
            _ = try await base.add()
            guard let open = try await base.open() else { throw LaunchHost.failure }
            let warm = try await Synthesizer(hypervisor: host.hypervisor).makeWarmVM(open, VMOptions())
            let process = try await warm.machine.processID()
            try LaunchHost.require(await warm.isWaiting, "it does not wait")
            try LaunchHost.require(kill(process, SIGSTOP) == 0, "it can't be stopped")
            try LaunchHost.require(await !warm.isWaiting(within: .milliseconds(200)), "it answers")
            let asking = Task { await warm.isWaiting }
            asking.cancel()
            try LaunchHost.require(await !asking.value, "it answers a cancelled task")
            try LaunchHost.require(kill(process, SIGCONT) == 0, "it was ended")
            try LaunchHost.require(await warm.isWaiting, "it does not wait any more")
            try await warm.discard()
            try await host.requireNothingLeft()
        }
    }

    @Test("a forward that can't be opened fails the launch before the guest has executed anything")
    func takenPort() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let launch = try VMLaunch(LaunchHost.machine, on: host.hypervisor)
            var options = VMOptions()
            options.forwarding.forwards = [PortForward(hostPort: 53, guestPort: 53)]
            options.forwarding.mayOpen = { _ in false }
            let result = await LaunchHost.result {
                _ = try await launch.complete { () async throws(CloudletError) in
                    try await host.start(launch)
                    return try await launch.run(
                        .init(booting: VMDescription(machine: LaunchHost.machine)), options, StageTimes())
                }
            }
            try LaunchHost.require(result.contains("port 53 of this host"), "another error: \(result)")
            try LaunchHost.require(!launch.hasRun, "it has run")
            try await host.requireNothingLeft()
        }
    }

    @Test("a client waits 300 ms for a silent guest agent and no longer, and what was not done is told later")
    func silentAgent() async {
        await #expect(processExitsWith: .success) {
            let host = try await LaunchHost()
            let launch = try VMLaunch(LaunchHost.machine, on: host.hypervisor)
            let times = StageTimes()
            let refresh = try await launch.complete { () async throws(CloudletError) in
                try await host.start(launch)
                let saved = VMDescription(
                    machine: LaunchHost.machine, guest: GuestSupport(clock: .agent, random: .agent))
                return try await launch.machine.run(
                    stage: .resume, readyOn: nil, [], within: .seconds(5), advice: "", times, refreshing: saved)
            }
            try LaunchHost.require(refresh.result == nil, "a guest without agent was refreshed")
            let time = times.entries.first { $0.stage == .refreshGuest }?.duration ?? .zero
            try LaunchHost.require(time >= .milliseconds(300) && time < .milliseconds(900), "it took \(time)")
            try await launch.tearDown()
            let warnings = await refresh.result(within: nil)?.warnings ?? []
            try LaunchHost.require(warnings.count == 2, "told: \(warnings)")
            try LaunchHost.require(
                warnings.allSatisfy { $0.contains("the VM ended before its agent") }, "told: \(warnings)")
            try await host.requireNothingLeft()
        }
    }
}
