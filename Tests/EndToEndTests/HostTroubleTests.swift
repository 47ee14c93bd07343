// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

/// A whole node whose host has troubles of its own: a full disk, a registry that others hold, a log that nobody reads, a
/// disk that can't be read.
extension EndToEndTests {
    /// A host's file system for a node's state, and a client on another host.
    private struct Trouble: Sendable {
        let lab: EndToEndLab
        let chain: EndToEndFixture.Chain
        let home: FilePath
        /// That of the node.
        let environment: [String: String]

        func shell(_ script: String, on host: Int = 1) async throws -> Tool.Result {
            try await lab.run(
                host, ["sh", "-ec", script], environment: ["CLOUDLET_HOME": home.string, "HOME_OF_NODE": home.string])
        }

        func require(_ script: String) async throws {
            let result = try await shell(script)
            try #require(result.status == 0, "\(script): \(result.errors)")
        }

        func get(_ path: String) async throws -> String {
            try await lab.run(
                2, ["curl", "-s", "-m", "10", "-w", "\n%{http_code}", "http://\(EndToEndLab.address(1)):8022\(path)"]
            ).output
        }

        func find() async throws -> Tool.Result {
            try await lab.run(
                2,
                [
                    Program.path("cloudlet-find"), "--protocol", "ssdp", "--timeout", "20", "--overlay",
                    chain.overlay.string, "--launch", Repository.root.appending("Scripts/guest/face-client").string,
                ], environment: ["CLOUDLET_HOME": chain.directory.appending("client-2").string])
        }

        /// The states of the sessions that the registry has.
        func stages() async throws -> [String] {
            let code = """
                import sqlite3, sys
                for row in sqlite3.connect(sys.argv[1]).execute("SELECT stage FROM session"): print(row[0])
                """
            let result = try await lab.run(1, ["python3", "-c", code, home.appending("cloudlet.db").string])
            #expect(result.status == 0, "\(result.errors)")
            return result.output.split(separator: "\n").map(String.init)
        }
    }

    private func withTrouble(
        _ prepare: String, _ settings: [String: String] = [:], before: String? = nil, isSilent: Bool = false,
        _ body: @escaping @Sendable (Trouble, BackgroundProgram) async throws -> Void
    ) async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let home = scratch.file("home")
        try Directory.create(home)
        let environment = chain.environment.merging(["CLOUDLET_ADMISSION_DISK_RESERVE": "1"]) { $1 }
            .merging(settings) { $1 }.merging(["CLOUDLET_HOME": home.string]) { $1 }
        try await EndToEndLab.with(hosts: 2, avahi: false) { lab in
            let trouble = Trouble(lab: lab, chain: chain, home: home, environment: environment)
            try await trouble.require(
                "mount -t tmpfs -o size=300m,mode=700 tmpfs '\(home)'; cd '\(chain.home)'; cp cloudlet.db* accelerator.json '\(home)'; cd /\n\(prepare)"
            )
            let node = try await lab.with(
                1, [Program.path("cloudlet-node")], environment: environment, log: scratch.file("log"), before: before
            ) { node in
                if !isSilent { try await node.waitFor("node is ready") }
                try await body(trouble, node)
            }
            #expect(node.status == 0, "\(node.status)")
        }
    }

    private static let fill = "dd if=/dev/zero of=\"$CLOUDLET_HOME/filling\" bs=4k 2>/dev/null || true"

    @Test("a node starts on a full disk, says so, and is ready when there is room; the first time it waits for it")
    func startOnFullDisk() async throws {
        try await withTrouble(Self.fill, isSilent: true) { trouble, first in
            try await first.waitFor("the node waits for free space on its disk")
            #expect(!first.output.contains("node is ready"))
            try await trouble.require("rm \"$CLOUDLET_HOME/filling\"")
            try await first.waitFor("node is ready")
            first.send(SIGTERM)
            try await until(20, "it does not end") { !first.isRunning }
            try await trouble.require(Self.fill)
            let log = FilePath("\(trouble.home)-log")
            let again = try await trouble.lab.with(
                1, [Program.path("cloudlet-node")], environment: trouble.environment, log: log
            ) { node in
                try await node.waitFor("node is ready")
                try await until(20, "ready: \(node.output)") { try await trouble.get("/ready").hasSuffix("503") }
                let told = try await trouble.get("/ready")
                #expect(told.contains("disk: "), "\(told)")
                // What the node frees as it starts may be enough for the registry before the first check ends.
                let isOpened = node.output.contains("the registry can be used again")
                #expect(told.contains("registry: ") && told.contains("disk is full") || isOpened, "\(told)")
                #expect(try await trouble.get("/health") == "alive\n\n200")
                #expect(node.output.contains("the registry can't be opened"), "\(node.output)")
                let refused = try await trouble.find()
                #expect(refused.status != 0 && refused.errors.contains("disk space"), "\(refused.errors)")
                try await trouble.require("rm \"$CLOUDLET_HOME/filling\"")
                try await until(20, "not ready: \(node.output)") { try await trouble.get("/ready").hasSuffix("200") }
                let served = try await trouble.find()
                #expect(served.status == 0, "\(served.errors)")
                try await until(10, "the session is not written") { try await trouble.stages().contains("ended") }
            }
            #expect(again.status == 0)
        }
    }

    @Test("a session and /health don't wait for a registry that another program holds; it is written afterwards")
    func lockedRegistry() async throws {
        let holder = """
            import sqlite3, sys, signal
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
            database.execute("BEGIN EXCLUSIVE")
            print("held", flush=True)
            signal.pause()
            """
        try await withTrouble("") { trouble, node in
            let before = try await trouble.stages().count
            let log = FilePath("\(trouble.home)-holder")
            // Where the node sees its home.
            _ = try await Tool.with(
                "nsenter",
                [
                    "-t", String(node.pid), "-m", "python3", "-c", holder, trouble.home.appending("cloudlet.db").string,
                ], log: log
            ) { holder in
                try await holder.waitFor("held")
                let clock = ContinuousClock()
                let beginning = clock.now
                let served = try await trouble.find()
                let time = clock.now - beginning
                #expect(served.status == 0 && time < .seconds(15), "\(time): \(served.errors)")
                for _ in 0..<5 {
                    let start = clock.now
                    let answer = try await trouble.get("/health")
                    let time = clock.now - start
                    #expect(answer == "alive\n\n200")
                    #expect(time < .seconds(3), "\(time)")
                }
                try await node.waitFor("another program has locked it", seconds: 20)
                // The failure may have been logged before the check that /ready reports ran again.
                try await until(20, "ready: \(node.output)") {
                    try await trouble.get("/ready").contains("registry: ")
                }
                // All this was done while it was held, and nothing was written.
                #expect(holder.isRunning)
                #expect(try await trouble.stages().count == before)
            }
            try await until(20, "the session is not written: \(node.output)") {
                let stages = try await trouble.stages()
                return stages.count == before + 1 && stages.allSatisfy { $0 == "ended" }
            }
            try await node.waitFor("the registry can be used again", seconds: 20)
            let line = try #require(node.output.split(separator: "\n").first { $0.contains("\"synthesized\"") })
            let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
            #expect(fields?["session"] != nil, "\(line)")
        }
    }

    /// Has many sessions made, from ten addresses so that none asks for more than its share.
    private static let flood = """
        import socket, subprocess, sys
        message = bytes.fromhex("0000000a81a7636f6d6d616e6415")
        made = 0
        for host in range(10):
            source = "10.77.9.%d" % (host + 1)
            subprocess.check_call(["ip", "addr", "add", source + "/16", "dev", "eth0"])
            for _ in range(int(sys.argv[2])):
                with socket.create_connection((sys.argv[1], 8021), 20, (source, 0)) as connection:
                    connection.sendall(message)
                    made += connection.recv(4096)[-1] == 0x15
            subprocess.check_call(["ip", "addr", "del", source + "/16", "dev", "eth0"])
        print(made)
        """

    @Test("a node whose log nobody reads serves on, and says afterwards how many lines are missing")
    func unreadLog() async throws {
        let scratch = try ScratchDirectory()
        let pipe = scratch.file("pipe")
        let before = """
            mkfifo '\(pipe)'; exec 3<>'\(pipe)'; dd if=/dev/zero of='\(pipe)' bs=4k oflag=nonblock 2>/dev/null || true
            exec 2>&3 3>&-
            """
        let settings = ["CLOUDLET_LOG_LEVEL": "debug", "CLOUDLET_LOG_FORMAT": "json"]
        try await withTrouble("", settings, before: before, isSilent: true) { trouble, node in
            try await until(30, "not ready") { try await trouble.get("/ready").hasSuffix("200") }
            @Sendable func make(_ count: Int) async throws -> Int {
                let made = try await trouble.lab.run(
                    2, ["python3", "-c", Self.flood, EndToEndLab.address(1), String(count)])
                #expect(made.status == 0, "\(made.errors)")
                return made.output.split(separator: "\n").last.flatMap { Int($0) } ?? 0
            }
            // More than a node keeps for a reader that is slow.
            let many = try await make(620)
            #expect(many == 6200)
            #expect(try await trouble.get("/health") == "alive\n\n200")
            let served = try await trouble.find()
            #expect(served.status == 0, "\(served.errors)")
            let log = scratch.file("read")
            let reading = try await Tool.with("cat", [pipe.string], log: log) { reader in
                // What there is room for has gone on when this has come, and there is room for more.
                try await reader.waitFor("\"session created\"", seconds: 20)
                try await until(20, "nothing is told to be missing") {
                    let few = try await make(1)
                    #expect(few == 10)
                    return reader.output.contains("lines are missing: the reader of the log was too slow")
                }
                return reader.output
            }
            let lines = reading.value.split(separator: "\n")
            let mark = "lines are missing: the reader of the log was too slow"
            let loss = try #require(lines.first { $0.contains(mark) })
            let fields = try JSONSerialization.jsonObject(with: Data(loss.utf8)) as? [String: String]
            let count = try #require(fields?["count"].flatMap { Int($0) })
            let kept = lines.prefix { $0 != loss }.count { $0.contains("\"session created\"") }
            #expect(count > 0 && kept + count >= many && kept + count < many + 200, "\(kept) and \(count)")
        }
    }
}

/// Whether a disk that fails can be made here: a loop device over a file that is too short gives EIO.
private let hasLoopDevices = unsafe access("/dev/loop-control", R_OK | W_OK) == 0

extension EndToEndTests {
    @Test(
        "memory of a base VM that can't be read costs its sessions, not the node; it is served when it can be read",
        .enabled(if: hasLoopDevices, "needs loop devices"))
    func unreadableMemory() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let (image, mount) = (scratch.file("disk").string, scratch.file("mount").string)
        let memory = chain.directory.appending("guest.base-mem").string
        // The base VM is looked at and found good on the disk that fails then. What tells of the snapshot is written first,
        // and is before the end of what is left of the disk; the guest's RAM is not.
        let prepare = """
            truncate -s 450M '\(image)'; mkfs.ext4 -q -F -O ^has_journal '\(image)'; mkdir '\(mount)'
            mount -o loop '\(image)' '\(mount)'
            for place in 'skip=240 seek=240' 'count=1' 'skip=1 seek=1 count=239'; do
                dd if='\(memory)' of='\(mount)/memory' bs=1M conv=notrunc,sparse,fsync $place 2>/dev/null
            done
            mount --bind '\(mount)/memory' '\(memory)'
            '\(Program.path("cloudlet"))' list-base | grep -w ok
            truncate -s 60M '\(image)'
            python3 -c 'import os; f = os.open("\(memory)", 0); os.posix_fadvise(f, 0, 0, os.POSIX_FADV_DONTNEED)'
            """
        try await withTrouble(
            prepare, ["CLOUDLET_STANDBY_MACHINES": "1", "CLOUDLET_LOG_FORMAT": "text"]
        ) { trouble, node in
            let read = try await trouble.shell("cat '\(memory)' > /dev/null")
            try #require(read.status != 0 && read.errors.contains("Input/output error"), "\(read)")
            try await node.waitFor("no warm VM can be made", seconds: 20)
            let refused = try await trouble.find()
            #expect(refused.status != 0 && refused.errors.contains("can't read a local file"), "\(refused.errors)")
            #expect(refused.errors.contains("Input/output error"), "\(refused.errors)")
            let command = try await trouble.shell(
                "'\(Program.path("cloudlet"))' synthesis '\(chain.disk)' '\(chain.overlay)' --detach")
            #expect(command.status == 74 && command.errors.contains("Input/output error"), "\(command)")
            #expect(try await trouble.get("/health") == "alive\n\n200")
            // It was the copying of its RAM that failed, not a look at what is told of it.
            let places = node.output.matches(of: /guest\.base-mem at byte (\d+): Input/)
            #expect(!places.isEmpty && places.allSatisfy { Int($0.output.1) ?? .max < 240 << 20 }, "\(node.output)")
            #expect(node.isRunning)
            try await trouble.require("umount -l '\(memory)'; umount -l '\(mount)'")
            let served = try await trouble.find()
            #expect(served.status == 0, "\(served.errors)")
        }
    }

    @Test("add-base where there is no room, beside the disk or for the registry, says so and leaves nothing half made")
    func addBaseWithoutRoom() async throws {
        let scratch = try ScratchDirectory()
        // Executes zeros: nothing that ever writes to its disk.
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        bytes.replaceSubrange(510..<512, with: [0x55, 0xAA])
        _ = try scratch.write("ok", bytes)
        let script = """
            cd "$1" && mkdir place home && mount -t tmpfs -o size=100m none place && mount -t tmpfs -o size=9m none home \\
                && cp ok place/a.raw || exit 1
            cloudlet base place/a.raw --memory 32 --machine pc --provision true >&2 && cloudlet del-base place/a.raw >&2 \\
                && rm place/a.base-hash place/a.base-seal place/a.base-img-meta place/a.base-mem-meta place/a.base-mem-index \\
                || exit 1
            left() { ls -A place; cloudlet list-base --format json | tr -d ' \\n'; }
            try() { dd if=/dev/zero of="$1/filling" bs=4k 2> /dev/null; cloudlet add-base place/a.raw 2> said; status=$?
                rm "$1/filling"; echo "$status: $(head -n 1 said)"; left; echo; }
            left; echo
            try place
            rm -r home/* && try home
            cloudlet list-base > /dev/null && try home
            cloudlet add-base place/a.raw && cloudlet list-base
            """
        let path = "\(Repository.programs):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")"
        let result = try await Tool.run(
            "unshare", ["-m", "sh", "-c", script, "sh", scratch.path.string],
            environment: ["CLOUDLET_HOME": scratch.file("home").string, "PATH": path])
        try #require(result.status == 0, "\(result.output)\(result.errors)")
        let lines = result.output.split(separator: "\n").map(String.init)
        let told = lines.filter { $0.wholeMatch(of: /\d+: .*/) != nil }
        #expect(told.count == 3 && told.allSatisfy { $0.hasPrefix("74: error: ") }, "\(result.output)")
        #expect(told[0].contains("No space left"), "\(told)")
        #expect(told[1...].allSatisfy { $0.contains("disk is full") || $0.contains("No space left") }, "\(told)")
        #expect(!lines.contains { $0.hasPrefix("a.") && !["a.raw", "a.base-mem"].contains($0) }, "\(result.output)")
        #expect(lines.count { $0 == "[]" } == 4, "\(result.output)")
        #expect(result.output.contains("is registered: ") && lines.last?.contains(" ok ") == true, "\(result.output)")
    }
}
