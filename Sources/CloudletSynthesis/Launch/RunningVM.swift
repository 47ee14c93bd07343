// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
package import CloudletSystem
package import SystemPackage

/// A running VM with its resources: its memory, its disk, its forwards and its scratch directory. The holder must end
/// it.
package final class RunningVM: Sendable {
    /// The VM.
    package let machine: VirtualMachine
    /// The active forwards.
    package let forwards: [ActiveForward]
    /// The description in the snapshot from which it was resumed, or with which it was booted.
    package let description: VMDescription
    /// Its disk: a qcow2 image over a base's, or the raw disk of a base VM that is being made.
    package let disk: FilePath
    /// Its RAM.
    package let memory: SharedMemory
    /// The refreshing of the guest's clock and random numbers, which may still go on.
    package let refresh: GuestRefreshTask
    /// Why the VM was booted instead of running as it was saved, if that is so.
    package let boot: BootCause?
    private let directory: FilePath
    private let hypervisor: Hypervisor

    init(
        machine: VirtualMachine, forwards: [ActiveForward], description: VMDescription, disk: FilePath,
        memory: SharedMemory, refresh: GuestRefreshTask, boot: BootCause?, directory: FilePath, hypervisor: Hypervisor
    ) {
        self.machine = machine
        self.forwards = forwards
        self.description = description
        self.disk = disk
        self.memory = memory
        self.refresh = refresh
        self.boot = boot
        self.directory = directory
        self.hypervisor = hypervisor
    }

    /// Runs `body` and ends the VM afterwards, however `body` ends. What `body` returns is not lost when only files of
    /// the VM can't be removed.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, or `CloudletError` when the VM can't be ended.
    package func endingAfter<Value>(
        _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        let value: Value
        do throws(CloudletError) { value = try await body() } catch {
            try? await end()
            throw error
        }
        try await hypervisor.tearDownAfterWork(machine.name)
        return value
    }

    /// Marks the VM as one that keeps running without this process. `uri` is the libvirt daemon that runs it, if any.
    package func detach(uri: String?) async throws(CloudletError) {
        try DetachedVM.mark(
            directory, process: try await machine.processID(), uri: uri,
            forwards: forwards.map { "\($0.address) \($0.forward)" })
    }

    /// Ends the VM and removes its files. Can be called more than once.
    package func end() async throws(CloudletError) { try await hypervisor.tearDown(machine.name) }
}
