// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
import CloudletOverlay
package import CloudletStore
import CloudletSystem
package import SystemPackage

/// Makes a base VM from a raw disk: boots it, lets the user set it up, saves its memory and device state, and writes
/// the files of the original's format beside the disk.
package struct BaseCreation: Sendable {
    private let hypervisor: Hypervisor
    private let registry: Registry

    /// Uses this hypervisor and registry.
    package init(hypervisor: Hypervisor, registry: Registry) {
        self.hypervisor = hypervisor
        self.registry = registry
    }

    /// Makes all checks that are possible before the VM boots.
    package static func requireNew(_ disk: FilePath, registry: Registry) throws(CloudletError) -> FilePath {
        let path = try BaseFiles.locate(disk)
        try DiskImageCheck.requireBootableRaw(try File(path, .read))
        try requireFree(path, registry: registry)
        return path
    }

    /// Checks that there is no base VM of a disk, and that no file of one is beside it. The disk need not exist yet.
    package static func requireFree(_ path: FilePath, registry: Registry) throws(CloudletError) {
        if try registry.base(disk: path) != nil {
            throw CloudletError(
                .cannotCreate, "\(path) is a base VM already",
                advice: "use it; to make it again (overlays made from it will not fit the new one), first run: "
                    + Shell.command("cloudlet", "del-base", path.string))
        }
        try BaseFileWriter.recover(BaseFiles(disk: path))
        for file in BaseFiles(disk: path).derived where try FileStatus.of(file) != nil {
            throw CloudletError(
                .cannotCreate, "\(file) exists already",
                advice: "move that file away, or register the base VM that it belongs to; run: "
                    + Shell.command("cloudlet", "add-base", path.string))
        }
    }

    /// Boots the disk, waits for `setUp`, and creates the base VM.
    /// - Parameters:
    ///   - disk: the user's raw disk; the VM writes to it.
    ///   - machine: the virtual hardware, which every VM on this base will have.
    ///   - options: forwards, display and network for the set-up only.
    ///   - seed: what cloud-init does in the guest at a boot of its own before `setUp`, if anything.
    ///   - fallback: directories for the VM's memory when the files can't be written or the writing is interrupted. A
    ///     second interruption discards the memory.
    ///   - limit: how long to wait at most for the guest's agent when the user is done; at most as long as the guest has
    ///     run by then. A guest whose agent has not answered then is recorded as one without an agent.
    ///   - times: records the stages.
    ///   - progress: receives each step when it begins.
    ///   - setUp: returns when the user is done; the VM runs meanwhile.
    /// - Returns: the registry's entry.
    /// - Throws: `CloudletError` that says in which state the disk is. Then no file and no registry entry of a base VM
    ///   exists. When the memory was kept, the error names the commands that make the base VM from it.
    package func create(
        _ disk: FilePath, as machine: MachineDescription, _ options: VMOptions, seed: CloudInitSeed? = nil,
        fallback: FallbackStorage, waitingForAgent limit: Duration, times: StageTimes,
        progress: @escaping @Sendable (WorkProgress) -> Void = { _ in },
        setUp: (VirtualMachine, [ActiveForward]) async throws(CloudletError) -> Void
    ) async throws(CloudletError) -> BaseVM {
        let path = try Self.requireNew(disk, registry: registry)
        try options.requireAnswers(to: options.forwarding.wanted([]))
        var launches: [VMLaunch] = []
        let vm: SavedVM
        do throws(CloudletError) {
            if let seed {
                let launch = try VMLaunch(machine, on: hypervisor)
                launches.append(launch)
                progress(.cloudInit)
                try await FirstBoot().run(launch, on: path, machine, seed, options, times)
            }
            let launch = try VMLaunch(machine, on: hypervisor)
            launches.append(launch)
            progress(.booting)
            let running = try await launch.complete { () async throws(CloudletError) in
                try await launch.startEmulator(on: .raw(path), waitingForState: false, options, times)
                return try await launch.run(.init(booting: VMDescription(machine: machine)), options, times)
            }
            let begin = ContinuousClock.now
            vm = try await running.endingAfter { () async throws(CloudletError) in
                try await times.measure(.setUp) { () async throws(CloudletError) in
                    try await setUp(running.machine, running.forwards)
                }
                let patience = Self.patience(limit, afterRunning: ContinuousClock.now - begin)
                return try await fallback.saving { () async throws(CloudletError) in
                    try await SavedVM.save(running, waitingForAgent: patience, times, progress)
                }
            }
        } catch {
            throw Self.notMade(path, hasRun: launches.contains(where: \.hasRun), error)
        }
        return try await write(vm, beside: path, fallback, times, progress)
    }

    /// How long to wait for the agent of a guest that has run for some time since its boot.
    static func patience(_ limit: Duration, afterRunning time: Duration) -> Duration {
        max(VirtualMachine.agentLimit, min(limit, time))
    }

    private static func notMade(_ disk: FilePath, hasRun: Bool, _ error: CloudletError) -> CloudletError {
        CloudletError(
            error.code,
            "no base VM was made; \(disk) " + (hasRun ? "was booted and may have been changed" : "was not changed"),
            advice: error.advice, cause: error)
    }

    /// Writes and registers the base VM. If the writing fails, keeps the memory elsewhere.
    private func write(
        _ saved: SavedVM, beside disk: FilePath, _ fallback: FallbackStorage, _ times: StageTimes,
        _ progress: @escaping @Sendable (WorkProgress) -> Void
    ) async throws(CloudletError) -> BaseVM {
        let files = BaseFileWriter(disk: disk)
        let base: BaseVM
        do throws(CloudletError) {
            base = try await fallback.writing { () async throws(CloudletError) in
                try await times.measure(.saveMemory) { () async throws(CloudletError) in
                    try await files.writeMemory(
                        saved.memory, state: saved.state, saved.description, emulator: saved.emulator)
                }
                progress(.hashing)
                return try await times.measure(.hash) { () async throws(CloudletError) in
                    try await files.writeHashes(accelerator: saved.description.machine.accelerator)
                }
            }
            try registry.requireUnknown(base)
            try files.publish()
        } catch {
            files.discard()
            if files.isDecided { throw Self.notRegistered(disk, error) }
            // A base VM with this content already exists.
            if error.code == .cannotCreate { throw Self.notMade(disk, hasRun: true, error) }
            fallback.explainKeeping(because: error)
            let kept: CloudletError
            do throws(CloudletError) {
                kept = try await fallback.saving { () async throws(CloudletError) in
                    try await saved.keep(for: BaseFiles(disk: disk), in: fallback, because: error)
                }
            } catch { throw Self.notMade(disk, hasRun: true, error) }
            // The disk must not be booted before the base VM is made from the kept memory.
            try? files.protectDisk()
            throw kept
        }
        do throws(CloudletError) {
            let stamped = try files.stamped(base)
            try registry.add(stamped)
            return stamped
        } catch {
            throw Self.notRegistered(disk, error)
        }
    }

    private static func notRegistered(_ disk: FilePath, _ error: CloudletError) -> CloudletError {
        CloudletError(
            error.code, "no base VM is registered yet, but all its files are beside \(disk)",
            advice: "\(error.firstAdvice ?? "fix this"); then run: "
                + Shell.command("cloudlet", "add-base", disk.string), cause: error)
    }
}
