// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem
import Foundation

/// Options of all commands that run VMs.
struct HypervisorOptions: ParsableArguments {
    @Option(
        help:
            "URI of a libvirt daemon, for example qemu:///session, to use instead of the libvirt driver inside this process."
    )
    var connect: String?

    @Option(help: "What executes guest code; auto uses KVM where it works.")
    var accelerator: AcceleratorChoice = .auto

    enum AcceleratorChoice: String, ExpressibleByArgument, CaseIterable {
        case auto, kvm, tcg
    }

    /// Opens the hypervisor. VMs that a crashed command left in the same directory are ended.
    func open(_ home: CloudletHome) async throws(CloudletError) -> Hypervisor {
        let accelerator: MachineDescription.Accelerator =
            switch accelerator {
            case .auto: try await AcceleratorProbe.verdict(cache: home.acceleratorCache).accelerator
            case .kvm: .kvm
            case .tcg: .tcg
            }
        let root = try HypervisorRoot(under: home.hypervisors, role: .command)
        let hypervisor = try await Hypervisor.open(
            root, uri: connect, accelerator: accelerator, ending: Self.end, note: { Console.note($0.shown) })
        for name in try await hypervisor.removeLeftovers() { Console.note("ended VM \(name), left behind by a crash") }
        return hypervisor
    }

    /// Ends a VM that the command does not use, or reports why that is not possible.
    private static func end(
        _ name: String, _ end: @escaping @Sendable () async throws(CloudletError) -> Void
    ) async -> Bool {
        do throws(CloudletError) {
            try await end()
            return true
        } catch {
            Console.note("VM \(name) can't be ended: \(error); the next command that runs VMs tries again")
            return false
        }
    }
}

extension CloudletHome {
    /// The home directory named in the process's environment, closed to other users.
    /// - Parameter securing: whether to close the directory to other users; `false` for a command that only examines.
    /// - Returns: the home.
    /// - Throws: `CloudletError` when the directory can't be used, or other users could write to it.
    static func current(securing: Bool = true) throws(CloudletError) -> CloudletHome {
        let home = try fromEnvironment()
        if securing { try home.secure() }
        UnfinishedFiles.removeLeftovers(in: home.unfinished)
        return home
    }
}
