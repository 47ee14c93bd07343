// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

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

    /// A boot sector that goes to protected mode and writes to each page from 2 MiB to 60 MiB, and halts.
    private static let hungrySector: [UInt8] = {
        let start: [UInt8] = [
            0xFA, 0x31, 0xC0, 0x8E, 0xD8,  // cli; xor ax, ax; mov ds, ax
            0x0F, 0x01, 0x16, 0x40, 0x7C,  // lgdt [0x7C40]
            0x0F, 0x20, 0xC0, 0x0C, 0x01, 0x0F, 0x22, 0xC0,  // mov eax, cr0; or al, 1; mov cr0, eax
            0xEA, 0x17, 0x7C, 0x08, 0x00,  // jmp 8:0x7C17, from where on all is of 32 bits
            0x66, 0xB8, 0x10, 0x00, 0x8E, 0xD8,  // mov ax, 16; mov ds, ax
            0xBF, 0x00, 0x00, 0x20, 0x00,  // mov edi, 0x200000
            0x89, 0x3F,  // mov [edi], edi
            0x81, 0xC7, 0x00, 0x10, 0x00, 0x00,  // add edi, 4096
            0x81, 0xFF, 0x00, 0x00, 0xC0, 0x03, 0x72, 0xF0,  // cmp edi, 0x3C00000; jb to the write
            0xF4, 0xEB, 0xFD,  // hlt; jmp to the hlt
        ]
        // The table of segments: flat code and data.
        let table: [UInt8] = [
            0x17, 0x00, 0x48, 0x7C, 0x00, 0x00, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
            0xFF, 0xFF, 0x00, 0x00, 0x00, 0x9A, 0xCF, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x92, 0xCF, 0x00,
        ]
        var sector = [UInt8](repeating: 0, count: 512)
        sector.replaceSubrange(0..<start.count, with: start)
        sector.replaceSubrange(0x40..<0x40 + table.count, with: table)
        sector.replaceSubrange(510..<512, with: [0x55, 0xAA])
        return sector
    }()

    @Test(
        "an emulator that the kernel killed, as its control group's memory was used up, is told as such",
        .enabled(if: MemoryGroup.refusal == nil, "\(MemoryGroup.refusal ?? "")"))
    func outOfMemory() async throws {
        let small = try await SmallVM(waitsForState: false, disk: Self.hungrySector)
        let vm = small.vm
        let group = try MemoryGroup(limit: 24 << 20)
        try group.add(try await vm.processID())
        let waiting = Task { await vm.waitForEnd() }
        try await vm.resume()
        let failure = await waiting.value
        #expect(
            failure?.description.contains("kernel killed the emulator because the memory was used up (OOM killer)")
                == true,
            "\(failure?.description ?? "no failure")")
        #expect(failure?.advice?.contains("control group") == true)
        try await vm.destroy()
        try await group.remove()
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
        #expect(
            told(.signalled(SIGKILL), short: true)?.contains("the kernel killed the emulator because the memory")
                == true)
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
        #expect(
            EmulatorLog.lastWords(in: scratch.file("log"), withWarnings: true)
                == "warning: old; load of migration failed: Input/output error")
    }

    @Test("a failure of a VM that runs on quotes QEMU's log, warnings included")
    func quotedLog() async throws {
        let small = try await SmallVM(waitsForState: false)
        let log = try File(try #require(small.vm.log), .readWrite)
        let line = "2026-11-28T00:00:00.0Z qemu-system-x86_64: warning: host doesn't support requested feature: avx\n"
        try log.write(Array(line.utf8), at: try log.size())
        let failure = CloudletError(
            .unavailable, "no answer", advice: "wait", cause: CloudletError(.io, "a reason"))
        let explained = await small.vm.explained(failure)
        #expect(
            explained.description
                == "no answer: QEMU's log says: warning: host doesn't support requested feature: avx: a reason; wait")
        #expect(await small.vm.explained(explained).description == explained.description)
        // An emulator that is ended because it does not answer is quoted too.
        let late = await #expect(throws: CloudletError.self) {
            try await small.vm.watched(within: .milliseconds(20)) { () async throws(CloudletError) in
                _ = await small.vm.waitForEnd()
            }
        }
        #expect(late?.description.contains("requested feature: avx") == true, "\(late?.description ?? "")")
    }
}
