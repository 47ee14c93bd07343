package import CloudletCore
import CloudletHypervisor
import CloudletSystem

/// A VM that waits for an overlay of its base: the base's RAM is in its memory, its emulator is there. Whoever holds one
/// must give it to a synthesis or discard it.
package final class WarmVM: Sendable {
    /// The base.
    package let base: OpenBase
    let images: VMImages
    let work: WorkDirectory
    let machine: VirtualMachine

    init(base: OpenBase, images: VMImages, work: WorkDirectory, machine: VirtualMachine) {
        self.base = base
        self.images = images
        self.work = work
        self.machine = machine
    }

    /// The VM's name.
    package var name: String { machine.name }

    /// Bytes of memory its guest has by now.
    package var memoryBytes: Int { (try? images.memory.file.status().allocated) ?? 0 }

    /// Whether the emulator still waits.
    package var isWaiting: Bool {
        get async {
            // One that says nothing is of no use.
            let isWaiting = try? await machine.watched(within: .seconds(10)) { () async throws(CloudletError) in
                await machine.isWaitingForState
            }
            return isWaiting ?? false
        }
    }

    /// Ends the emulator and removes the files.
    package func discard() async throws(CloudletError) {
        try await machine.destroy()
        try work.remove()
    }
}

extension Synthesizer {
    /// Makes a VM that waits for an overlay of `base`.
    /// - Parameters:
    ///   - base: the base.
    ///   - options: what cannot be changed later: display and network.
    /// - Returns: the VM, started and waiting.
    /// - Throws: `CloudletError` with the reason; nothing is left behind then.
    package func prepare(_ base: OpenBase, _ options: Options) async throws(CloudletError) -> WarmVM {
        let work = try WorkDirectory(on: hypervisor)
        var cleanup = VMCleanup(work)
        do throws(CloudletError) {
            let images = try VMImages(base, in: work.path)
            try await MemoryCopy.copy(0..<images.memory.size, from: base.snapshot.file, to: images.memory)
            try base.requireUnchangedMemory()
            let machine = try await hypervisor.start(base.machine, waitingVM(images, work, options))
            cleanup.started(machine)
            return WarmVM(base: base, images: images, work: work, machine: machine)
        } catch {
            await cleanup.run()
            throw error
        }
    }

    /// The resources of a VM that waits for device state.
    func waitingVM(_ images: VMImages, _ work: WorkDirectory, _ options: Options) -> VMResources {
        VMResources(
            name: work.vmName, disk: images.disk.path, diskFormat: .qcow2, memoryPath: images.memory.path,
            waitsForState: true, display: options.display, outboundNetwork: options.outboundNetwork)
    }
}
