// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor

/// Resumes a base VM from its saved state, with a copy of its memory and an empty image over its disk. Every overlay
/// begins with this. The base's files are only read.
package struct BaseResumption: Sendable {
    private let hypervisor: Hypervisor

    /// Uses this hypervisor.
    package init(hypervisor: Hypervisor) {
        self.hypervisor = hypervisor
    }

    /// Restores the base's VM to its saved state and lets it run.
    /// - Throws: `CloudletError` with the reason. Then nothing is left behind.
    package func resume(
        _ base: OpenBase, _ options: VMOptions, times: StageTimes
    ) async throws(CloudletError) -> RunningVM {
        let guest = VMLaunch.Guest(from: base.snapshot)
        try options.requireAnswers(to: options.forwarding.wanted(guest.description.forwards))
        let launch = try VMLaunch(base.machine, on: hypervisor)
        return try await launch.complete { () async throws(CloudletError) in
            let layer = try launch.layer(over: base)
            try await times.measure(.copyMemory) { () async throws(CloudletError) in
                try await launch.copyMemory(of: base)
            }
            try await launch.startEmulator(on: .layer(layer.path), waitingForState: true, options, times)
            return try await launch.run(guest, options, times)
        }
    }
}
