// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import FoundationEssentials
import Glibc
import SystemPackage
import Testing

@Suite struct ChildReaperTests {
    /// Runs `sleep` for a minute, under this name, in a session of its own, as the child of a shell that ends at once.
    private func orphan(_ name: String, in scratch: ScratchDirectory) async throws -> String {
        let program = scratch.file(name)
        try FileManager.default.copyItem(atPath: "/bin/sleep", toPath: program.string)
        let line = "setsid \(program.string) 60 >/dev/null 2>&1 & echo $!"
        return try await Tool.run("/bin/sh", ["-c", line]).output.filter(\.isNumber)
    }

    private func isListed(_ process: String) -> Bool { FileManager.default.fileExists(atPath: "/proc/\(process)") }

    @Test("an emulator whose parent has gone is removed from the system's table soon after its end")
    func emulator() async throws {
        let scratch = try ScratchDirectory()
        ChildReaper.shared.expecting {}
        let process = try await orphan("qemu-orphan", in: scratch)
        ChildReaper.shared.expecting {}
        var status = ""
        try await until(30, "the program does not begin") {
            status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
            return status.contains("Name:\tqemu-orphan\n")
        }
        #expect(status.contains("PPid:\t\(ProcessInfo.processInfo.processIdentifier)\n"))
        let number = try #require(Int32(process))
        #expect(await ChildReaper.shared.end(of: number, within: .milliseconds(20)) == nil)
        async let end = ChildReaper.shared.end(of: number, within: .seconds(60))
        try #require(kill(number, SIGKILL) == 0)
        #expect(await end == .signalled(SIGKILL))
        #expect(!isListed(process))
        #expect(ChildReaper.shared.end(of: number) == .signalled(SIGKILL))
        ChildReaper.shared.forget(number)
        #expect(ChildReaper.shared.end(of: number) == nil)
    }

    @Test("an ended child that nobody asks for hides no emulator's end", arguments: ["", "setsid "])
    func hidden(prefix: String) async throws {
        let scratch = try ScratchDirectory()
        ChildReaper.shared.expecting {}
        // What a script left behind: ours since the script has ended, and nobody waits for it.
        let line = "\(prefix)sleep 0.01 >/dev/null 2>&1 & echo $!"
        let left = try #require(Int32(try await Tool.run("/bin/sh", ["-c", line]).output.filter(\.isNumber)))
        defer { _ = waitpid(left, nil, WNOHANG) }
        try await until(10, "it does not end") {
            try String(contentsOfFile: "/proc/\(left)/status", encoding: .utf8).contains("State:\tZ")
        }
        let process = try await orphan("qemu-hidden", in: scratch)
        // It may have looked for children before there were any.
        ChildReaper.shared.expecting {}
        try await until(30, "the program does not begin") {
            try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8).contains("Name:\tqemu-hidden\n")
        }
        try #require(kill(#require(Int32(process)), SIGKILL) == 0)
        let gone = try await poll(every: .milliseconds(10), for: .seconds(60)) { !isListed(process) }
        #expect(gone)
        #expect(ChildReaper.shared.end(of: try #require(Int32(process))) == .signalled(SIGKILL))
    }

    @Test("programs this one starts itself keep their exit status")
    func others() async throws {
        ChildReaper.shared.expecting {}
        for status in [0, 3] {
            let result = try await Tool.run("/bin/sh", ["-c", "sleep 0.05; exit \(status)"])
            #expect(result.status == Int32(status))
        }
    }
}
