// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor

extension Synthesizer {
    /// Makes a VM that waits for an overlay of `base`.
    /// - Parameters:
    ///   - base: the base.
    ///   - options: the options that can't be changed later: display, network and discarding.
    /// - Returns: the VM, started and waiting.
    /// - Throws: `CloudletError` with the reason. Then nothing is left behind.
    package func makeWarmVM(_ base: OpenBase, _ options: VMOptions) async throws(CloudletError) -> WarmVM {
        let launch = try VMLaunch(base.machine, on: hypervisor)
        return try await launch.complete { () async throws(CloudletError) in
            let layer = try launch.layer(over: base)
            try await launch.copyMemory(of: base)
            try await launch.startEmulator(on: .layer(layer.path), waitingForState: true, options, StageTimes())
            return WarmVM(base: base, launch: launch, layer: layer, machine: try launch.machine)
        }
    }
}
