// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

/// What goes wrong on the node's host: no room, files that change under it, a clock that jumps.
extension EndToEndTests {
    /// Runs a node on host 1 whose state is on a file system of its own, as big as said.
    private func withSmallHome(
        _ chain: EndToEndFixture.Chain, _ size: String, _ settings: [String: String] = [:], endsWith status: Int32 = 0,
        _ body: @escaping @Sendable (EndToEndLab, BackgroundProgram, FilePath) async throws -> Void
    ) async throws {
        let number = UInt32.random(in: 0 ... .max)
        let home = chain.directory.appending("home-\(number)")
        try Directory.create(home)
        let environment = chain.environment.merging(settings) { $1 }.merging(["CLOUDLET_HOME": home.string]) { $1 }
        try await EndToEndLab.with(hosts: 3) { lab in
            // Only this host sees what is mounted.
            let prepared = try await lab.run(
                1,
                [
                    "sh", "-ec",
                    "mount -t tmpfs -o size=\(size) tmpfs '\(home)'; cp '\(chain.home)'/cloudlet.db* '\(home)'",
                ])
            #expect(prepared.status == 0, "\(prepared.errors)")
            let log = chain.directory.appending("fault-\(number).log")
            let node = try await lab.with(1, [Program.path("cloudlet-node")], environment: environment, log: log) {
                node in
                try await node.waitFor("node is ready")
                try await body(lab, node, home)
            }
            #expect(node.status == status)
            let left = try await lab.run(1, ["sh", "-c", "ls '\(home)'/hypervisor/*/work"])
            #expect(left.output.isEmpty, "\(left.output)")
        }
        try FileSystem.remove(home)
    }

    private func find(_ lab: EndToEndLab, _ chain: EndToEndFixture.Chain, from host: Int = 3) async throws
        -> Tool.Result
    {
        try await lab.run(
            host,
            [
                Program.path("cloudlet-find"), "--protocol", "ssdp", "--timeout", "10", "--overlay",
                chain.overlay.string,
                "--launch", Repository.root.appending("Scripts/guest/face-client").string,
            ], environment: ["CLOUDLET_HOME": chain.directory.appending("client-\(host)").string])
    }

    /// Runs `body` with another node on host 1 with the home of one that died, which it has by another path.
    private func withNextNode(
        _ lab: EndToEndLab, _ chain: EndToEndFixture.Chain, _ home: FilePath, _ settings: [String: String],
        _ body: @escaping @Sendable (BackgroundProgram) async throws -> Void
    ) async throws {
        let other = FilePath("\(home)-other")
        let bound = try await lab.run(
            1, ["sh", "-ec", "mkdir '\(other)'; mount --bind '\(home)' '\(other)'"])
        #expect(bound.status == 0, "\(bound.errors)")
        let environment = chain.environment.merging(settings) { $1 }.merging(["CLOUDLET_HOME": other.string]) { $1 }
        let ended = try await lab.with(
            1, [Program.path("cloudlet-node")], environment: environment, log: FilePath("\(other).log")
        ) { node in
            try await node.waitFor("node is ready")
            try await body(node)
            let listed = try await lab.run(
                1, [Program.path("cloudlet"), "list-session", "--format", "json"], environment: environment)
            for match in listed.output.matches(of: /"id" : "([^"]+)"/) {
                // One that has ended just now can't be stopped; that no VM is left is looked at in the end.
                _ = try await lab.run(
                    1, [Program.path("cloudlet"), "stop-session", String(match.output.1)], environment: environment)
            }
        }
        #expect(ended.status == 0)
    }

    @Test(
        "on a full disk a VM stands still until there is room, also of a node that died; others are refused and told why"
    )
    func fullDisk() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let overlay = try await sshOverlay(chain)
        let settings = [
            "CLOUDLET_ADMISSION_DISK_RESERVE": "1", "CLOUDLET_ADMISSION_PATIENCE": "3",
            "CLOUDLET_SESSION_KEEP_VMS": "true", "CLOUDLET_SESSION_LEASE": "60",
        ]
        try await withSmallHome(chain, "90m", settings, endsWith: 137) { lab, node, home in
            let shm = try await lab.run(
                1, ["sh", "-c", "mount -t tmpfs -o size=4k tmpfs /dev/shm; head -c 1M /dev/zero > /dev/shm/full"])
            #expect(shm.errors.contains("No space left"), "\(shm)")
            _ = try await lab.with(
                2,
                [
                    Program.path("cloudlet-find"), "--protocol", "ssdp", "--overlay", overlay.string, "--hold",
                    "--timeout", "20",
                ], environment: ["CLOUDLET_HOME": chain.directory.appending("client").string],
                log: chain.directory.appending("full-\(UInt32.random(in: 0 ... .max)).log")
            ) { find in
                try await find.waitFor("Ctrl-C ends the session")
                let guest = Guest(lab: lab, key: chain.disk.string + ".key", find: find, home: home)
                _ = try await guest.run(
                    "nohup head -c 120M /dev/urandom >/big 2>/dev/null </dev/null & sleep 1; sync &")
                try await node.waitFor("a VM is stopped")
                let refused = try await self.find(lab, chain)
                #expect(refused.status != 0 && refused.errors.contains("of disk space"), "\(refused.errors)")
                @Sendable func resize(_ size: String) async throws {
                    let resized = try await lab.run(1, ["mount", "-o", "remount,size=\(size)", home.string])
                    #expect(resized.status == 0, "\(resized.errors)")
                }
                // The node dies; the next one looks after the VM as well.
                node.send(SIGKILL)
                try await until(10, "the node lives") { !node.isRunning }
                try await withNextNode(lab, chain, home, settings) { node in
                    #expect(node.output.contains("session continues"), "\(node.output)")
                    try await node.waitFor("a VM is stopped")
                    try await resize("500m")
                    try await node.waitFor("a VM continues")
                    let whole = try await guest.run(
                        "until [ $(stat -c %s /big) = 125829120 ]; do sleep 1; done; sync && cksum </big >/dev/null && echo whole"
                    )
                    #expect(whole.contains("whole"))
                    let served = try await self.find(lab, chain)
                    #expect(served.status == 0, "\(served.errors)")
                }
            }
        }
    }

    @Test(
        "a VM of a command that finds its host's disk full is paused, which is reported, and resumed when there is space"
    )
    func fullDiskOfCommand() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let (home, output) = (scratch.file("home"), scratch.file("big").string)
        try Directory.create(home, permissions: 0o700)
        let program = scratch.file("provision")
        let text = """
            #!/bin/sh
            exec ssh -F none -T -p $CLOUDLET_VM_PORT_22 -i '\(chain.disk).key' -o BatchMode=yes -o IdentitiesOnly=yes \
                -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1 \
                'yes | head -c 60M > /big && sync && rm /big && sync'

            """
        try File(program, .create(permissions: 0o755)).write(Array(text.utf8), at: 0)
        try await EndToEndLab.with(hosts: 1) { lab in
            let prepared = try await lab.run(
                1,
                [
                    "sh", "-ec",
                    "mount -t tmpfs -o size=40m tmpfs '\(home)'; cp '\(chain.home)'/cloudlet.db* '\(home)'",
                ])
            #expect(prepared.status == 0, "\(prepared.errors)")
            let made = try await lab.with(
                1,
                [
                    Program.path("cloudlet"), "overlay", chain.disk.string, "-o", output, "--provision", program.string,
                    "--no-closing-step",
                ], environment: ["CLOUDLET_HOME": home.string], log: scratch.file("log")
            ) { overlay in
                try await overlay.waitFor("the VM is paused: \(home)")
                let more = try await lab.run(1, ["mount", "-o", "remount,size=300m", home.string])
                #expect(more.status == 0, "\(more.errors)")
                try await overlay.waitFor("Overlay meta:")
            }
            #expect(made.status == 0)
        }
    }

    @Test(
        "a base VM that is changed, whatever its times say, or taken away is refused; one that is touched or back is served"
    )
    func changedBase() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        try await withSmallHome(chain, "300m", ["CLOUDLET_ADMISSION_DISK_RESERVE": "1"]) { lab, _, _ in
            let (disk, memory) = (chain.disk.string, chain.directory.appending("guest.base-mem").string)
            func shell(_ line: String) async throws {
                let result = try await Tool.run("sh", ["-ec", line])
                #expect(result.status == 0, "\(result.errors)")
            }
            func invertPage() async throws {
                let code = """
                    import os, sys
                    before = os.stat(sys.argv[1])
                    with open(sys.argv[1], "r+b") as file:
                        file.seek(5 * 4096)
                        page = bytes(255 - byte for byte in file.read(4096))
                        file.seek(5 * 4096)
                        file.write(page)
                    os.utime(sys.argv[1], ns=(before.st_atime_ns, before.st_mtime_ns))
                    """
                let result = try await Tool.run("python3", ["-c", code, memory])
                #expect(result.status == 0, "\(result.errors)")
            }
            try await shell("touch '\(disk)'")
            let touched = try await find(lab, chain)
            try await invertPage()
            let changed = try await find(lab, chain)
            try await invertPage()
            try await shell("mv '\(memory)' '\(memory).away'")
            let missing = try await find(lab, chain)
            try await shell("mv '\(memory).away' '\(memory)'")
            let served = try await find(lab, chain)
            #expect(touched.status == 0, "\(touched.errors)")
            #expect(
                changed.status != 0 && changed.errors.contains("was changed after it became a base VM"),
                "\(changed.errors)")
            // Clients are not told the node's paths.
            #expect(missing.status != 0 && missing.errors.contains("can't open a local file"), "\(missing.errors)")
            #expect(!missing.errors.contains("guest.base-mem"))
            #expect(served.status == 0, "\(served.errors)")
        }
    }

    @Test("a clock that jumps by days, either way, ends no session and no deadline")
    func clockJumps() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let clock = try scratch.write("clock", [UInt8](repeating: 0, count: 8))
        let library = scratch.file("clock-shift.so").string
        let source = Repository.root.appending("Tests/EndToEndTests/Reference/clock-shift.c").string
        let built = try await Tool.run("clang", ["-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source])
        #expect(built.status == 0, "\(built.errors)")
        let settings = ["LD_PRELOAD": library, "CLOCK_SHIFT_FILE": scratch.file("clock").string]
        try await withSmallHome(
            chain, "300m", settings.merging(["CLOUDLET_ADMISSION_DISK_RESERVE": "1"]) { $1 }
        ) { lab, node, _ in
            for days in [3, -5] {
                _ = try await lab.with(
                    2,
                    [
                        Program.path("cloudlet-find"), "--protocol", "ssdp", "--overlay", chain.overlay.string,
                        "--hold",
                        "--timeout", "20",
                    ], environment: ["CLOUDLET_HOME": chain.directory.appending("client").string],
                    log: chain.directory.appending("clock-\(UInt32.random(in: 0 ... .max)).log")
                ) { held in
                    try await held.waitFor("Ctrl-C ends the session")
                    let seconds = Int64(days * 86_400).littleEndian
                    try clock.write((0..<8).map { UInt8(truncatingIfNeeded: seconds >> ($0 * 8)) }, at: 0)
                    // Longer than anything in the node goes by the clock.
                    try await Task.sleep(for: .seconds(3))
                    let other = try await find(lab, chain)
                    // The port is the first VM's: what is refused is the port, not the session.
                    #expect(other.errors.contains("port") && other.errors.contains("9876"), "\(other.errors)")
                    #expect(held.isRunning && !held.output.contains("error"), "\(held.output)")
                }
                let served = try await find(lab, chain)
                #expect(served.status == 0, "\(served.errors)")
            }
            let days = Set(
                node.output.split(separator: "\n").compactMap { $0.firstMatch(of: /\d{4}-\d\d-\d\d/)?.output })
            #expect(days.count >= 3, "the node's clock has not jumped: \(days)")
        }
    }
}
