import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import Testing

@testable import CloudletHypervisor

/// Emulators that are gone without anybody's wish.
@Suite(.serialized, .timeLimit(.minutes(3))) struct EmulatorFailureTests {
    @Test("an emulator that was killed or crashed is told as such, with the signal", arguments: [SIGKILL, SIGSEGV])
    func killed(signal: Int32) async throws {
        let small = try await SmallVM(waitsForState: false)
        let process = try await small.vm.processID()
        let vm = small.vm
        let waiting = Task { await vm.waitForEnd() }
        // The first waits already or not; the second comes when all is over.
        try #require(kill(process, signal) == 0)
        let failure = await waiting.value
        let words = signal == SIGKILL ? "was killed (SIGKILL)" : "crashed (SIGSEGV)"
        #expect(
            failure?.description.contains("the emulator \(words)") == true, "\(failure?.description ?? "no failure")")
        #expect(try await small.isGone(process))
        #expect(await vm.waitForEnd()?.message == failure?.message)
        try await vm.destroy()
        #expect(await vm.waitForEnd() == nil)
    }

    @Test("a VM that is ended as wished has not failed")
    func ended() async throws {
        let small = try await SmallVM(waitsForState: false)
        let vm = small.vm
        let waiting = Task { await vm.waitForEnd() }
        try await vm.destroy()
        #expect(await waiting.value == nil)
    }

    @Test("the kernel's killing for want of memory is told apart from others'")
    func reasons() {
        func told(
            _ end: ProcessEnd?, isFailure: Bool = true, short: Bool = false, _ words: String? = nil
        ) -> String? {
            EmulatorFailure(end: end, isFailure: isFailure, memoryWasShort: short, words: words).error?.description
        }
        #expect(told(.signalled(SIGKILL), short: true)?.contains("by the kernel, as the memory was used up") == true)
        #expect(told(.signalled(SIGKILL)) == "the emulator was killed (SIGKILL)")
        #expect(told(.signalled(SIGBUS), short: true) == "the emulator crashed (SIGBUS)")
        #expect(told(.exited(1), "no such disk") == "the emulator ended: no such disk")
        #expect(told(.exited(3)) == "the emulator ended with status 3")
        #expect(told(nil) == "the emulator crashed or was killed")
        #expect(told(nil, isFailure: false) == nil && told(.exited(0), isFailure: false, "old words") == nil)
        // A guest that was shut down: the driver in this process ends QEMU then. And somebody else's signal.
        let ours = "terminating on signal 15 from pid \(getpid()) (cloudlet)"
        #expect(told(.exited(0), isFailure: false, ours) == nil)
        let others = "terminating on signal 15 from pid \(getpid() + 1) (bash)"
        #expect(told(.exited(0), isFailure: false, others) == "the emulator ended: \(others)")
    }

    @Test("the last words are QEMU's, not the command line that the log begins with")
    func lastWords() throws {
        let scratch = try ScratchDirectory()
        let log = """
            2026-11-27 14:29:20.001+0000: starting up libvirt version: 9.0.0
            /usr/bin/qemu-system-x86_64 \\
            -sandbox on,obsolete=deny
            2026-11-27T14:29:21.000000Z qemu-system-x86_64: warning: old
            2026-11-27T14:29:22.000000Z qemu-system-x86_64: load of migration failed: Input/output error

            """
        _ = try scratch.write("log", Array(log.utf8))
        #expect(EmulatorLog.lastWords(in: scratch.file("log")) == "load of migration failed: Input/output error")
    }
}
