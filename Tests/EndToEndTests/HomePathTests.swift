// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

/// Commands whose state lies at a path that means something in other languages, and signals that end them.
extension EndToEndTests {
    /// The emulators of VMs that have a disk below a directory with this name.
    private func emulators(below name: String) async throws -> Int {
        let listed = try await Tool.run("sh", ["-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0\\n' '\\n '"])
        return listed.output.split(separator: "\n").count { $0.contains("\"filename\"") && $0.contains(name) }
    }

    @Test("VMs run whatever the path of the state directory; what a crash left is found by another name of it")
    func oddHome() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let mark = String(UInt32.random(in: 0 ... .max))
        let home = scratch.file("R&D %41 #;=,:ü'\"\\$x/" + String(repeating: "deep", count: 60) + mark)
        try Directory.create(home)
        let link = scratch.file("link")
        try #require(unsafe symlink(home.string, link.string) == 0)
        let added = try await Program.cloudlet(
            ["add-base", chain.disk.string], environment: ["CLOUDLET_HOME": home.string])
        #expect(added.status == 0, "\(added.errors)")
        let arguments = ["synthesis", chain.disk.string, chain.overlay.string, "--viewer", "none"]
        _ = try await Tool.with(
            Program.path("cloudlet"), arguments, environment: ["CLOUDLET_HOME": home.string], log: scratch.file("log-1")
        ) { program in
            try await program.waitFor("Ctrl-C ends the VM")
            #expect(try await emulators(below: mark) == 1)
            program.send(SIGKILL)
        }
        #expect(try await emulators(below: mark) == 1)
        let notes = home.appending("hypervisor/command-0/work/notes")
        try Directory.create(notes)
        // The same place, by another path; then the terminal goes away.
        let (_, status) = try await Tool.with(
            Program.path("cloudlet"), arguments, environment: ["CLOUDLET_HOME": link.string], log: scratch.file("log-2")
        ) { program in
            try await program.waitFor("Ctrl-C ends the VM")
            #expect(program.output.contains("left behind by a crash"), "\(program.output)")
            #expect(try await emulators(below: mark) == 1)
            program.send(SIGHUP)
            let hasEnded = try await poll(every: .milliseconds(50), for: .seconds(60)) { () throws(CloudletError) in
                !program.isRunning
            }
            #expect(hasEnded)
        }
        #expect(status == 0)
        #expect(try await emulators(below: mark) == 0)
        #expect(try Directory.names(in: home.appending("hypervisor/command-0/work")) == ["notes"])
        #expect(try FileStatus.of(home)?.permissions == 0o700)
        let forgotten = try await Program.cloudlet(
            ["del-base", chain.disk.string], environment: ["CLOUDLET_HOME": home.string])
        #expect(forgotten.status == 0)
        try File(chain.disk, .read).setPermissions(0o444)
    }

    @Test(
        "Ctrl-\\ and a terminal that goes away end the making of an overlay and its VM", arguments: [SIGHUP, SIGQUIT])
    func hungUp(signal: Int32) async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let (_, status) = try await Tool.with(
            Program.path("cloudlet"),
            ["overlay", chain.disk.string, "-o", scratch.file("o").string, "--until-port", "9"],
            environment: chain.environment, log: scratch.file("log")
        ) { program in
            let starts = try await poll(every: .milliseconds(50), for: .seconds(30)) { () async throws(CloudletError) in
                (try? await emulators(below: "chain-fixture/home/")) == 1
            }
            #expect(starts)
            program.send(signal)
            let hasEnded = try await poll(every: .milliseconds(50), for: .seconds(60)) { () throws(CloudletError) in
                !program.isRunning
            }
            #expect(hasEnded)
        }
        #expect(status == 130)
        #expect(try await emulators(below: "chain-fixture/home/") == 0)
        try await requireNothingLeft(chain)
    }
}
