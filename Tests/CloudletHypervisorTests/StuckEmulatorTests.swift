import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import Testing

@testable import CloudletHypervisor

/// Real emulators that do not answer any more.
@Suite(.serialized, .timeLimit(.minutes(3))) struct StuckEmulatorTests {
    private static let machine = MachineDescription(memoryMiB: 64, accelerator: .tcg)
    /// How long ending an emulator may take: three seconds and what a busy host needs.
    private static let limit = Duration.seconds(9)

    /// A hypervisor of which there can be only one in a process.
    private static let shared = Task {
        let scratch = try ScratchDirectory()
        let root = try HypervisorRoot(under: scratch.path, role: .command)
        return (scratch, try await Hypervisor.open(root, accelerator: .tcg))
    }

    /// A VM whose emulator was stopped.
    private struct Stopped {
        let hypervisor: Hypervisor
        let vm: VirtualMachine
        let process: Int32
        let memory: SharedMemory

        init(waitsForState: Bool) async throws {
            let (scratch, hypervisor) = try await shared.value
            self.hypervisor = hypervisor
            let name = hypervisor.newName()
            memory = try SharedMemory(named: "cloudlet-ram", size: machine.memoryBytes)
            try scratch.write(name, []).resize(to: 1 << 20)
            let resources = VMResources(
                name: name, disk: scratch.file(name), diskFormat: .raw, memoryPath: memory.path,
                waitsForState: waitsForState)
            vm = try await hypervisor.start(machine, resources, paused: true)
            process = try await vm.processID()
            try #require(kill(process, SIGSTOP) == 0)
        }

        /// Whether nothing of it is left.
        func isGone() async throws -> Bool {
            let hasEnded = try await poll(every: .milliseconds(20), for: .seconds(5)) { () throws(CloudletError) in
                kill(process, 0) != 0
            }
            let known = try await hypervisor.runningVMs()
            let isActive = await vm.isActive
            return hasEnded && !known.contains(vm.name) && !isActive
        }
    }

    @Test("a VM is ended while a command waits for its emulator, which never answers")
    func destroy() async throws {
        let stopped = try await Stopped(waitsForState: false)
        let vm = stopped.vm
        let stuck = Task { try await vm.emulatorVersion() }
        try await Task.sleep(for: .milliseconds(300))
        let time = try await ContinuousClock().measure { try await vm.destroy() }
        #expect(time < Self.limit, "\(time)")
        await #expect(throws: CloudletError.self) { try await stuck.value }
        #expect(try await stopped.isGone())
        try await vm.destroy()
    }

    @Test(
        "a VM that does not take its state in time, or whose session is cancelled, is ended", arguments: [true, false])
    func watched(isCancelled: Bool) async throws {
        let stopped = try await Stopped(waitsForState: true)
        let vm = stopped.vm
        let limit = Duration.milliseconds(isCancelled ? 100_000 : 500)
        let work = Task {
            try await vm.watched(within: limit) { () async throws(CloudletError) in
                try await vm.loadState([UInt8](repeating: 0, count: 8 << 20))
            }
        }
        try await Task.sleep(for: .milliseconds(300))
        let time = await ContinuousClock().measure {
            if isCancelled { work.cancel() }
            _ = await work.result
        }
        #expect(time < Self.limit, "\(time)")
        let error = await #expect(throws: CloudletError.self) { try await work.value }
        #expect(error?.code == (isCancelled ? .interrupted : .unavailable))
        #expect(try await stopped.isGone())
    }
}
