// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import SystemPackage

/// `cloudlet overlay DISK`: customises a VM of a base and makes an overlay of the differences.
struct OverlayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "overlay", abstract: "Customise a VM of a base VM and save the differences as an overlay.",
        discussion:
            "Resumes the base VM. Install and start your server in it. When the work in the VM is done, the overlay is "
            + "written to a directory.")

    @Argument(help: "The base VM's disk.", completion: .file())
    var disk: String

    @Option(name: .shortAndLong, help: "Directory for the overlay (default: ./NAME-overlay).", completion: .directory)
    var output: String?

    @Option(help: "Also write the overlay to this file, as a package (a ZIP archive).", completion: .file())
    var package: String?

    @Option(
        help: "Write the overlay of the VM that an earlier run kept in this directory.",
        completion: .directory)
    var kept: String?

    @Option(name: .customLong("ready-port"), help: "Guest TCP port that answers when the application is ready.")
    var readyPort: UInt16?

    @Flag(
        name: .customLong("disk-only"), help: "Save only the disk: the VM boots at synthesis instead of being resumed.")
    var diskOnly = false

    @Flag(name: .customLong("no-discard"), help: "Keep blocks that the guest discards or fills with zeros.")
    var noDiscard = false

    @OptionGroup var compression: CompressionOptions
    @OptionGroup var closing: ClosingStepOptions
    @OptionGroup var hypervisorOptions: HypervisorOptions
    @OptionGroup var customise: CustomiseOptions

    func run() async throws {
        let home = try CloudletHome.current()
        let base = try await BaseLookup.open(disk, home)
        let directory = FilePath(output ?? "\(base.record.files.name.plainFileName)-overlay")
        let records = try UnfinishedFiles(in: home.unfinished)
        if let package { try OverlayPackageWriter.require(FilePath(package)) }
        if let kept { return try await write(try KeptVM(FilePath(kept), on: base), base, directory, records) }
        try await OverlayDestination.require(directory, name: directory.overlayName)
        let forwards = try customise.forwards()
        if forwards.contains(where: { $0.transport == .udp }) {
            Console.note(
                "The overlay's UDP forwards work only where VMs may reach other hosts: with 'cloudlet synthesis "
                    + "--outbound-network', and on nodes whose setting guest.outbound-network is true. Other nodes refuse the overlay."
            )
        }
        let customisation = try Customisation(customise)
        var options = OverlayOptions(name: directory.overlayName)
        options.forwards = forwards
        options.readyPort = readyPort
        options.diskOnly = diskOnly
        try compression.apply(to: &options)
        let closingStep = try ClosingStep(closing, guest: base.snapshot.description.guest)
        let hypervisor = try await hypervisorOptions.open(home)

        var machineOptions = VMOptions()
        machineOptions.forwarding.forwards =
            forwards + customise.temporaryForwards(beside: forwards, ssh: closingStep.needsSSH)
        machineOptions.forwarding.takenPortAdvice = CustomiseOptions.takenPortAdvice
        machineOptions.display = customisation.needsDisplay
        machineOptions.outboundNetwork = true
        machineOptions.discards = !noDiscard
        let times = StageTimes()
        ProgressLine.show("resume base VM")
        let running = try await BaseResumption(hypervisor: hypervisor).resume(base, machineOptions, times: times)
        let result = try await running.endingAfter { () async throws(CloudletError) in
            ProgressLine.clear()
            await Report.refresh(running.refresh)
            try await times.measure(.customise) { () async throws(CloudletError) in
                try await customisation.wait(running.machine, running.forwards)
            }
            // From here on the user's work exists only in the VM, so an interruption must not discard it.
            try await closingStep.run(running, times: times, until: CommandRunner.interruptions)
            let result = try await OverlayCreation(base: base, options: options, records: records).cut(
                running, into: directory, fallback: .command(home), times: times
            ) { ProgressLine.show($0) }
            ProgressLine.clear()
            Report.times(times)
            Report.overlay(result)
            return result
        }
        try writePackage(result)
    }

    /// Writes the overlay of a kept VM, and then removes the kept files of the VM.
    private func write(
        _ vm: KeptVM, _ base: OpenBase, _ directory: FilePath, _ records: UnfinishedFiles
    ) async throws(CloudletError) {
        var options = try vm.options()
        try compression.apply(to: &options)
        try await OverlayDestination.require(directory, name: options.name)
        let times = StageTimes()
        let result: WrittenOverlay
        do throws(CloudletError) {
            result = try await OverlayCreation(base: base, options: options, records: records).write(
                vm, to: directory, times: times
            ) { ProgressLine.show($0) }
        } catch {
            throw error.during("the overlay was not written, and the VM is still kept in \(vm.directory)")
        }
        ProgressLine.clear()
        Report.times(times)
        Report.overlay(result)
        try vm.remove()
        try writePackage(result)
    }

    /// Writes a complete overlay as a package.
    private func writePackage(_ result: WrittenOverlay) throws(CloudletError) {
        guard let package else { return }
        try OverlayPackageWriter.write(OverlaySource(at: result.metaPath), to: FilePath(package)) {
            ProgressLine.show($0)
        }
        ProgressLine.clear()
        Console.result("Package: \(package)")
    }
}
