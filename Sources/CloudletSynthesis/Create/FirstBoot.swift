// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSystem
import SystemPackage

/// Boots a disk with a CD for cloud-init in the machine, and waits until cloud-init is done and has powered the guest
/// off. The base VM is made by another boot, in a machine without the drive, so that neither the CD nor what cloud-init
/// read from it is part of the saved state.
struct FirstBoot: Sendable {
    /// How long cloud-init may take; it can install packages.
    private static let limit = Duration.seconds(3600)

    /// Boots the disk, and returns when the guest has powered itself off.
    /// - Parameters:
    ///   - launch: brings up the VM.
    ///   - disk: the disk, to which cloud-init writes.
    ///   - machine: the virtual hardware, apart from the CD.
    ///   - seed: the content of the CD.
    ///   - options: display and network. No ports are forwarded.
    ///   - times: records the stages.
    /// - Throws: `CloudletError.unavailable` when the guest doesn't power off within an hour.
    func run(
        _ launch: VMLaunch, on disk: FilePath, _ machine: MachineDescription, _ seed: CloudInitSeed,
        _ options: VMOptions, _ times: StageTimes
    ) async throws(CloudletError) {
        var options = options
        options.forwarding.forwards = []
        let running = try await launch.complete { () async throws(CloudletError) in
            options.cd = try await seed.writeImage(in: launch.directory)
            try await launch.startEmulator(on: .raw(disk), waitingForState: false, options, times)
            return try await launch.run(.init(booting: VMDescription(machine: machine)), options, times)
        }
        try await running.endingAfter { () async throws(CloudletError) in
            try await times.measure(.cloudInit) { () async throws(CloudletError) in
                let end = try await withDeadline(Self.limit) { () async throws(CloudletError) in
                    let failure = await running.machine.waitForEnd()
                    if Task.isCancelled { throw CloudletError(.interrupted, "interrupted") }
                    if let failure { throw failure.during("the VM failed while cloud-init worked") }
                    return true
                }
                guard end != nil else {
                    throw CloudletError(
                        .unavailable, "cloud-init has not powered off the guest within \(Self.limit.shown)",
                        advice:
                            "check that cloud-init is installed in the image, and that the user data neither disables "
                            + "vendor data nor has a 'power_state' of its own")
                }
            }
        }
    }
}
