// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSession
import CloudletSynthesis
import CloudletWire

/// The VM of a session, created by this node or left running by an earlier one.
struct NodeVM: SynthesizedVM {
    let name: String
    /// The active forwards, and whether the VM was booted. Empty for a VM of an earlier node, which has already reported
    /// them to the client.
    let details: ServerMessage.Details
    private let hypervisor: Hypervisor
    private let vms: VMSessions
    /// Kept while the VM lives, because it knows why the emulator ends.
    private let running: RunningVM?

    /// Creates the VM of a session that this node has synthesized.
    init(_ running: RunningVM, on hypervisor: Hypervisor, vms: VMSessions) {
        name = running.machine.name
        details = .init(
            forwards: running.forwards.map { .init(address: $0.address, forward: $0.forward) },
            boot: running.boot?.report)
        self.hypervisor = hypervisor
        self.vms = vms
        self.running = running
    }

    /// Creates the VM of a session from the name of a VM that an earlier node left running.
    init(adopting name: String, on hypervisor: Hypervisor, vms: VMSessions) {
        self.name = name
        details = .init()
        self.hypervisor = hypervisor
        self.vms = vms
        running = nil
    }

    func end() async throws(CloudletError) {
        try await hypervisor.tearDown(name)
        vms.set(name, nil)
    }

    func waitForEnd() async -> CloudletError? { await hypervisor.waitForEnd(of: name) }
}
