// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSystem
import CloudletTestSupport
import SystemPackage

@testable import CloudletSynthesis

/// A host of small VMs, for tests in processes of their own.
struct LaunchHost {
    let scratch: ScratchDirectory
    let hypervisor: Hypervisor
    let disk: FilePath

    static let machine = MachineDescription(memoryMiB: 64, accelerator: .tcg)
    static let failure = CloudletError(.badData, "it went wrong")

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

    static func require(_ condition: Bool, _ what: String) throws {
        guard condition else { throw CloudletError(.defect, what) }
    }

    /// What `body` throws; nothing when it returns.
    static func result(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return ""
        } catch { return (error as? CloudletError)?.message ?? "\(error)" }
    }
}
