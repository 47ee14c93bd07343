// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

extension EndToEndTests {
    private func log(_ chain: EndToEndFixture.Chain, _ name: String) -> FilePath {
        chain.directory.appending("\(name)-\(UInt32.random(in: 0 ... .max)).log")
    }

    /// The process numbers of the emulators whose command lines name files below a directory.
    private func emulators(_ directory: FilePath) async throws -> [Int32] {
        let listed = try await Tool.run("ps", ["-eo", "pid,args"])
        return listed.output.split(whereSeparator: \.isNewline).filter {
            $0.contains("qemu-system") && $0.contains(directory.string)
        }
        .compactMap { $0.split(separator: " ").first.flatMap { Int32($0) } }
    }

    @Test(
        "making a base VM that is broken off leaves no files, no row and no VM, and names the disk",
        arguments: [SIGINT, SIGTERM])
    func interruptedBase(signal: Int32) async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let disk = scratch.file("my.raw")
        _ = try await Tool.run("cp", ["--sparse=always", chain.disk.string, disk.string])
        try File(disk, .read).setPermissions(0o644)
        let home = scratch.file("home")
        let log = scratch.file("log")
        // The work in the VM begins when the VM runs.
        let work = try ScratchDirectory()
        let script = "#!/bin/sh\necho the work begins\nexec sleep 60\n"
        try work.write("work", Array(script.utf8)).setPermissions(0o755)
        let (_, status) = try await Tool.with(
            Program.path("cloudlet"),
            ["base", disk.string, "--memory", "256", "--provision", work.file("work").string],
            environment: ["CLOUDLET_HOME": home.string], log: log
        ) { program in
            try await program.waitFor("the work begins")
            #expect(try await emulators(scratch.path).count == 1)
            program.send(signal)
        }
        #expect(status == 130)
        let text = String(decoding: try File(log, .read).read(1 << 16, at: 0), as: UTF8.self)
        #expect(text.contains("no base VM was made; \(disk) was booted and may have been changed"), "\(text)")
        #expect(try Directory.names(in: scratch.path) == ["home", "log", "my.raw"])
        #expect(try await emulators(scratch.path).isEmpty)
        let listed = try await Program.cloudlet(
            ["list-base", "--format", "json"], environment: ["CLOUDLET_HOME": home.string])
        #expect(listed.output.filter { !$0.isWhitespace } == "[]")
    }

    @Test("after kill -9 of a command the next one ends its VM and removes its files")
    func killedCommand() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        _ = try await Tool.with(
            Program.path("cloudlet"), ["synthesis", chain.disk.string, chain.overlay.string],
            environment: chain.environment, log: log(chain, "killed")
        ) { program in
            try await program.waitFor("Ctrl-C ends the VM")
            program.send(SIGKILL)
        }
        #expect(try await emulators(chain.home).count == 1)
        let next = try await Program.cloudlet(
            [
                "overlay", chain.disk.string, "-o", chain.directory.appending("never").string, "--until-port", "9",
                "--", "-redir", "tcp:1::x",
            ],
            environment: chain.environment)
        #expect(next.status == 64)
        let (_, status) = try await Tool.with(
            Program.path("cloudlet"), ["synthesis", chain.disk.string, chain.overlay.string],
            environment: chain.environment, log: log(chain, "next")
        ) { program in
            try await program.waitFor("Ctrl-C ends the VM")
            #expect(program.output.contains("left behind by a crash"))
            program.send(SIGINT)
        }
        #expect(status == 0)
        try await requireNothingLeft(chain)
    }

    @Test("kill -9 of the node, of a VM and of the client leaves nothing after the next start")
    func killedInSession() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let client = ["CLOUDLET_HOME": chain.directory.appending("client").string]
        let find = [
            Program.path("cloudlet-find"), "--overlay", chain.overlay.string, "--hold", "--timeout", "20",
        ]
        try await EndToEndLab.with(hosts: 2) { lab in
            // The emulator dies: the client is told, the node goes on.
            let log1 = log(chain, "node-1")
            _ = try await lab.with(1, [Program.path("cloudlet-node")], environment: chain.environment, log: log1) {
                node in
                try await node.waitFor("node is ready")
                let held = try await lab.with(2, find, environment: client, log: log(chain, "find-1")) { program in
                    try await program.waitFor("Ctrl-C ends the session")
                    for emulator in try await emulators(chain.home) { kill(emulator, SIGKILL) }
                    try await program.waitFor("error: ")
                    #expect(program.output.contains("the emulator was killed (SIGKILL)"), "\(program.output)")
                }
                #expect(held.status == 69, "\(held.status)")
                try await node.waitFor("a VM failed")
                try await until(10, "the session is not listed as failed") {
                    let listed = try await Program.cloudlet(
                        ["list-session", "--all", "--format", "json"], environment: chain.environment)
                    return listed.output.contains("the emulator was killed") && listed.output.contains("unavailable")
                }
                let page = try await lab.run(1, ["curl", "-s", "http://\(EndToEndLab.address(1)):8022/metrics"])
                let samples = try await MetricsReader.samples(in: page.output)
                #expect(samples[#"cloudlet_sessions_total{result="completed"}"#] == 0)
                #expect(samples[#"cloudlet_sessions_total{result="failed"}"#] == 1)
                // The client dies: its lease runs out, and a new session works meanwhile.
                _ = try await lab.with(2, find, environment: client, log: log(chain, "find-2")) { program in
                    try await program.waitFor("Ctrl-C ends the session")
                    program.send(SIGKILL)
                }
                #expect(try await emulators(chain.home).count == 1)
                // The node dies.
                node.send(SIGKILL)
            }
            let left = try await emulators(chain.home).count
            #expect(left == 1, "the VM outlives its node until the next start")
            // It comes back with the same home by another path.
            let link = chain.directory.appending("link")
            #expect(try await Tool.run("ln", ["-sfn", chain.home.string, link.string]).status == 0)
            let log2 = log(chain, "node-2")
            let again = try await lab.with(
                1, [Program.path("cloudlet-node")],
                environment: chain.environment.merging(["CLOUDLET_HOME": link.string]) { $1 }, log: log2
            ) { node in
                try await node.waitFor("node is ready")
                #expect(node.output.contains("ended a VM that was left behind"))
                return try await lab.run(
                    2,
                    [
                        Program.path("cloudlet-find"), "--overlay", chain.overlay.string, "--launch",
                        Repository.root.appending("Scripts/guest/face-client").string, "--timeout", "20",
                    ], environment: client)
            }
            #expect(again.value.status == 0 && again.status == 0, "\(again.value.errors)")
        }
        try await requireNothingLeft(chain)
        #expect(try chain.hashesNow() == chain.baseHashes)
    }

    @Test("SIGTERM ends the node's VMs, tells their clients, and the node says goodbye with status 0")
    func terminatedNode() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let client = ["CLOUDLET_HOME": chain.directory.appending("client").string]
        try await EndToEndLab.with(hosts: 2) { lab in
            let held = log(chain, "held")
            let node = try await lab.with(
                1, [Program.path("cloudlet-node")], environment: chain.environment, log: log(chain, "term")
            ) { node in
                try await node.waitFor("node is ready")
                return try await lab.with(
                    2, [Program.path("cloudlet-find"), "--overlay", chain.overlay.string, "--hold", "--timeout", "20"],
                    environment: client, log: held
                ) { program in
                    try await program.waitFor("Ctrl-C ends the session")
                    node.send(SIGTERM)
                    try await program.waitFor("error: ")
                    return program.output
                }
            }
            #expect(node.status == 0)
            #expect(node.value.status == 69, "\(node.value.value)")
        }
        try await requireNothingLeft(chain)
    }
}
