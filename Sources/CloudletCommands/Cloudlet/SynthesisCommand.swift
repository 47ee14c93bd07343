// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletNetwork
import CloudletOverlay
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import Synchronization
import SystemPackage

/// `cloudlet synthesis DISK META`: rebuilds a VM from a base VM and an overlay, and resumes it on this machine.
struct SynthesisCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "synthesis", abstract: "Rebuild a VM from a base VM and an overlay, and resume it.",
        discussion: "The VM runs until Ctrl-C. With --detach, the command returns and the VM keeps running.")

    @Argument(help: "The base VM's disk.", completion: .file())
    var disk: String

    @Argument(help: "The overlay: its directory, its overlay-meta file, or a package.", completion: .file())
    var meta: String

    @Flag(help: "Return when the VM runs, and leave it running.")
    var detach = false

    @Option(
        name: .customLong("forward-address"),
        help: "Address of this host at which the forwarded ports of the VM are reachable.")
    var forwardAddress = "127.0.0.1"

    @Flag(name: .customLong("outbound-network"), help: "Let the VM open connections to other hosts.")
    var outboundNetwork = false

    @Flag(
        name: .customLong("allow-boot"),
        help: "If the saved state can't be resumed on this machine, boot the VM from its disk.")
    var allowBoot = false

    @Option(help: "VNC viewer to open on the VM's display; closing it ends the VM.")
    var viewer: String?

    @Option(help: "Save the final state of the VM as a new overlay in this directory.", completion: .directory)
    var residue: String?

    @OptionGroup var compression: CompressionOptions
    @OptionGroup var hypervisorOptions: HypervisorOptions

    func run() async throws {
        try ForwardAddress.require(forwardAddress)
        let home = try CloudletHome.current()
        let base = try await BaseLookup.open(disk, home)
        let overlay = try OverlaySource(at: FilePath(meta))
        try Synthesizer.requireMatch(overlay.meta, base)
        var options = VMOptions()
        options.forwarding.address = forwardAddress
        options.outboundNetwork = outboundNetwork
        try Synthesizer.requireForwards(overlay.meta, options)
        let viewer = try Viewer(choice: viewer ?? "none")
        var ending: Residue?
        if let residue { ending = try await prepareResidue(FilePath(residue), overlay.meta, home) }
        let hypervisor = try await hypervisorOptions.open(home)

        options.forwarding.takenPortAdvice = "listen on another address with --forward-address, such as 127.0.0.2"
        options.display = viewer != nil
        // Without the option, the emulator that is to load the state reports what is missing.
        let start: SynthesisStart =
            if allowBoot {
                try SynthesisStart(await hypervisor.support(of: base.machine), allowingBoot: true)
            } else { .resume }
        let times = StageTimes()
        let total = Double(max(1, overlay.meta.totalBlobBytes))
        let received = Atomic(0)
        let running = try await advisingBoot(of: base, hypervisor) { () async throws(CloudletError) in
            try await Synthesizer(hypervisor: hypervisor).synthesize(
                overlay.meta, on: base, from: OverlayPieces(overlay), options, start: start, times: times
            ) { progress in
                switch progress {
                case .received(let bytes):
                    let sum = received.add(bytes, ordering: .relaxed).newValue
                    ProgressLine.show("receive", Double(sum) / total)
                case .resuming:
                    ProgressLine.show(overlay.meta.isDiskOnly || start.substitute != nil ? "boot" : "resume")
                case .waiting: break
                }
            }
        }
        ProgressLine.clear()
        Report.times(times)
        Console.result("VM \(running.machine.name) runs")
        for active in running.forwards {
            Console.result(
                "\(active.forward.transport.rawValue) \(active.address):\(active.forward.hostPort) -> \(active.forward.guestPort)"
            )
        }
        await Report.refresh(running.refresh)
        if let boot = running.boot {
            Report.boot(boot.localReport)
            if ending != nil {
                Console.note("Note: a VM that was booted is shut down at its end, and its disk alone is saved.")
            }
        }
        if detach {
            try await running.detach(uri: hypervisorOptions.connect)
            Console.note(
                "The VM keeps running; 'cloudlet stop-vm \(running.machine.name)' ends it. No program monitors it: if the "
                    + "host's disk becomes full, the VM stops and is not resumed.")
            return
        }
        try await running.endingAfter { () async throws(CloudletError) in
            try await hold(running, viewer)
            if let ending { try await save(ending, of: running, on: base) }
        }
    }

    func validate() throws {
        if detach, residue != nil {
            throw ValidationError("--residue saves the VM when it ends, but --detach does not wait for the end")
        }
    }

    /// Runs `body`, and adds to the advice of its error that the VM could boot, if this host can't resume it but can boot
    /// it.
    private func advisingBoot<Value>(
        of base: OpenBase, _ hypervisor: Hypervisor, _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        do throws(CloudletError) { return try await body() } catch {
            guard !allowBoot, error.code == .unavailable,
                case .boots? = try? await hypervisor.support(of: base.machine)
            else { throw error }
            throw error.advising(or: "let the VM boot from its disk with --allow-boot")
        }
    }

    /// Where and how the VM's final state is saved.
    private struct Residue: Sendable {
        let directory: FilePath
        let options: OverlayOptions
        let records: UnfinishedFiles
        let fallback: FallbackStorage
    }

    /// Checks before the VM runs that its final state can be saved.
    private func prepareResidue(
        _ directory: FilePath, _ meta: OverlayMeta, _ home: CloudletHome
    ) async throws(CloudletError) -> Residue {
        try await OverlayDestination.require(directory, name: directory.overlayName)
        var options = OverlayOptions(name: directory.overlayName)
        options.forwards = meta.forwards
        options.readyPort = meta.readyPort
        options.diskOnly = meta.isDiskOnly
        try compression.apply(to: &options)
        return Residue(
            directory: directory, options: options, records: try UnfinishedFiles(in: home.unfinished),
            fallback: FallbackStorage.command(home))
    }

    /// Saves the VM as a new overlay for the same base VM. The Ctrl-C that ended the VM does not interrupt this;
    /// another one does.
    private func save(
        _ residue: Residue, of running: RunningVM, on base: OpenBase
    ) async throws(CloudletError) {
        CommandRunner.interruptions.settle()
        var options = residue.options
        // The memory of a VM on another machine than the base VM's could not be resumed anywhere.
        if running.boot != nil { options.diskOnly = true }
        let result = try await OverlayCreation(base: base, options: options, records: residue.records).cut(
            running, into: residue.directory, fallback: residue.fallback, times: StageTimes()
        ) { ProgressLine.show($0) }
        ProgressLine.clear()
        Report.overlay(result)
    }

    /// Waits for Ctrl-C, the end of the viewer or the end of the VM.
    private func hold(_ running: RunningVM, _ viewer: Viewer?) async throws(CloudletError) {
        guard let viewer, let port = try await running.machine.displayPort() else {
            Console.note("Ctrl-C ends the VM.")
            return try await waitForEnd(of: running)
        }
        do {
            try await withThrowingTaskGroup { group in
                group.addTask { try await viewer.show(port: port) }
                group.addTask { try await waitForEnd(of: running) }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch {
            throw .wrapping(error, .defect, "unexpected failure")
        }
    }

    private func waitForEnd(of running: RunningVM) async throws(CloudletError) {
        let failure = await running.machine.waitForEnd()
        if let failure { throw failure.during("the VM ended unexpectedly") }
        if !Task.isCancelled { Console.note("The VM has ended by itself.") }
    }
}
