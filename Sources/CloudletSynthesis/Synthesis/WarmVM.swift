// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
import CloudletSystem

/// A VM that waits for an overlay of its base: its memory contains the base's RAM, and its emulator has started. The
/// holder must give it to a synthesis or discard it.
package final class WarmVM: Sendable {
    /// The base.
    package let base: OpenBase
    let launch: VMLaunch
    let layer: QCOW2Image
    /// The VM.
    package let machine: VirtualMachine

    init(base: OpenBase, launch: VMLaunch, layer: QCOW2Image, machine: VirtualMachine) {
        self.base = base
        self.launch = launch
        self.layer = layer
        self.machine = machine
    }

    /// The VM's name.
    package var name: String { launch.name }

    /// Bytes of memory that the host has allocated for the guest.
    package var memoryBytes: Int { (try? launch.memory.file.status().allocated) ?? 0 }

    /// Whether the emulator still waits. A VM that does not answer within ten seconds counts as one that does not.
    package var isWaiting: Bool { get async { await isWaiting(within: .seconds(10)) } }

    /// The VM is only asked, not ended: a synthesis may have taken it meanwhile.
    func isWaiting(within limit: Duration) async -> Bool {
        await resultWithin(limit) { [machine] in await machine.isWaitingForState } ?? false
    }

    /// Ends the emulator and removes the files.
    package func discard() async throws(CloudletError) { try await launch.tearDown() }
}
