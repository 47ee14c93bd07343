package import CloudletCore
package import CloudletHypervisor
import CloudletSystem

/// A VM that waits for an overlay of its base: the base's RAM is in its memory, its emulator has started. The holder must
/// give it to a synthesis or discard it.
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

    /// Bytes of memory its guest has by now.
    package var memoryBytes: Int { (try? launch.memory.file.status().allocated) ?? 0 }

    /// Whether the emulator still waits.
    package var isWaiting: Bool {
        get async {
            // One that does not answer is of no use.
            let isWaiting = try? await machine.watched(within: .seconds(10)) { () async throws(CloudletError) in
                await machine.isWaitingForState
            }
            return isWaiting ?? false
        }
    }

    /// Ends the emulator and removes the files.
    package func discard() async throws(CloudletError) { try await launch.tearDown() }
}
