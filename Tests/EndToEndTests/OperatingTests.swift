// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

/// The real node as whoever runs it sees it: signals, logs, service manager, HTTP. No guest is run.
@Suite(
    .serialized, .timeLimit(.minutes(3)),
    .enabled(if: EndToEndRequirements.missing.isEmpty, "needs \(EndToEndRequirements.missing.joined(separator: ", "))"))
struct OperatingTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    /// Runs a node in a network namespace with nothing but loopback; `before` is run by its shell first.
    private func withNode<Value: Sendable>(
        _ arguments: [String] = [], environment: [String: String] = [:], before: String = ":",
        _ body: @escaping @Sendable (BackgroundProgram) async throws -> Value
    ) async throws -> (value: Value, status: Int32) {
        let script = "ip link set lo up; \(before)\nexec \"$@\""
        let home = scratch.file("home").string
        return try await Tool.with(
            "unshare",
            ["-n", "-m", "bash", "-c", script, "bash", Program.path("cloudlet-node"), "--interface", "lo"] + arguments,
            environment: ["CLOUDLET_HOME": home].merging(environment) { $1 }, log: scratch.file("log")
        ) { node in
            try await node.waitFor("node is ready")
            return try await body(node)
        }
    }

    private func get(_ node: BackgroundProgram, _ path: String) async throws -> String {
        try await Tool.run(
            "nsenter",
            [
                "-t", String(node.pid), "-n", "curl", "-s", "-m", "5", "-w", "\n%{http_code}",
                "http://127.0.0.1:8022\(path)",
            ]
        ).output
    }

    private func configure(_ text: String) throws {
        try text.write(toFile: scratch.file("home/cloudlet.yaml").string, atomically: true, encoding: .utf8)
    }

    @Test("a node answers /health, /ready and /metrics, is not ready without its registry, and says so once")
    func http() async throws {
        try Directory.create(scratch.file("home"), permissions: 0o700)
        let status = try await withNode { [scratch] node in
            try await until(10, "not ready") { try await get(node, "/ready") == "ready\n\n200" }
            #expect(try await get(node, "/health") == "alive\n\n200")
            let page = try await get(node, "/metrics")
            let samples = try await MetricsReader.samples(in: String(page.dropLast(4)))
            #expect(samples["cloudlet_ready"] == 1 && samples["process_open_fds"] ?? 0 > 10)
            let registry = scratch.file("home/cloudlet.db").string
            let change = { @Sendable (sql: String) async throws in
                let code = "import sqlite3; sqlite3.connect('\(registry)').execute('\(sql)')"
                #expect(try await Tool.run("python3", ["-c", code]).status == 0)
            }
            try await change("ALTER TABLE base_vm RENAME TO gone")
            try await until(10, "still ready") { try await get(node, "/ready").contains("registry: ") }
            #expect(try await get(node, "/ready").hasSuffix("503"))
            #expect(try await get(node, "/health") == "alive\n\n200")
            // Several rounds of checks, each of which might say so again.
            try await Task.sleep(for: .seconds(5))
            #expect(node.output.components("\"not ready\"") == 1)
            try await change("ALTER TABLE gone RENAME TO base_vm")
            try await until(10, "not ready again") { try await get(node, "/ready").hasSuffix("200") }
        }.status
        #expect(status == 0)
    }

    @Test(
        "SIGHUP takes over what may change, names what needs a restart, and keeps what is in force when the file is wrong"
    )
    func reload() async throws {
        try Directory.create(scratch.file("home"), permissions: 0o700)
        try configure("name: First\n")
        let status = try await withNode(["--log-format", "text"]) { node in
            #expect(!node.output.contains(" debug "))
            try configure("name: Second\nlog:\n  level: debug\nhttp:\n  port: 8100\n")
            node.send(SIGHUP)
            try await node.waitFor("configuration read again changed=\"name, log.level\"", seconds: 10)
            #expect(node.output.contains("this setting needs a restart setting=http.port"))
            try await until(5, "the name is not taken over") { try await get(node, "/v1/node").contains("Second") }
            try configure("name: Third\nlog:\n  levle: info\n")
            node.send(SIGHUP)
            try await node.waitFor("the configuration is not valid, the current one stays in use", seconds: 10)
            #expect(node.output.contains("unknown key 'log.levle'"))
            #expect(try await get(node, "/v1/node").contains("Second"))
            try configure("name: Fourth\n")
            node.send(SIGHUP)
            try await node.waitFor("changed=\"name, log.level\"", seconds: 10)
            try await until(5, "it does not recover") { try await get(node, "/v1/node").contains("Fourth") }
        }.status
        #expect(status == 0)
    }

    @Test("a service manager hears READY, STATUS, beats, RELOADING and STOPPING", arguments: [false, true])
    func serviceManager(abstract: Bool) async throws {
        // An abstract name belongs to a network namespace, so the receiver is in the node's own.
        let address = abstract ? "@notify" : scratch.file("notify").string
        let record = scratch.file("messages").string
        let receiver = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.bind(sys.argv[1].replace("@", "\\0"))
            print("bound", flush=True)
            out = open(sys.argv[2], "a")
            s.settimeout(60)
            while True:
                out.write(s.recv(65536).decode() + "\\n--\\n"); out.flush()
            """
        try receiver.write(toFile: scratch.file("receiver.py").string, atomically: true, encoding: .utf8)
        let before = """
            exec 3< <(timeout 60 python3 '\(scratch.file("receiver.py"))' '\(address)' '\(record)'); read -r -u 3; exec 3<&-
            """
        let messages = { @Sendable in (try? String(contentsOfFile: record, encoding: .utf8)) ?? "" }
        let status = try await withNode(
            environment: ["NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"], before: before
        ) { node in
            try await until(10, "no READY: \(messages())") {
                messages().contains("READY=1\nSTATUS=ready; 0 sessions, 0 VMs\n--")
            }
            try await until(10, "no beats") { messages().components("WATCHDOG=1\n--") >= 3 }
            #expect(messages().components("READY=1") == 1)
            node.send(SIGHUP)
            try await until(10, "no RELOADING") { messages().contains("RELOADING=1\nMONOTONIC_USEC=") }
            try await until(10, "no second READY") { messages().components("READY=1") == 2 }
        }.status
        #expect(status == 0)
        #expect(messages().contains("STOPPING=1"))
    }

    @Test("away from a terminal each line is a JSON object, and one says what the node runs with")
    func jsonLog() async throws {
        let status = try await withNode { node in
            try await until(10, "not up") { try await get(node, "/health").hasSuffix("200") }
        }.status
        #expect(status == 0)
        let text = try String(contentsOfFile: scratch.file("log").string, encoding: .utf8)
        let lines = try text.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String], "\($0)")
        }
        #expect(lines.allSatisfy { $0["time"] != nil && $0["level"] != nil && $0["message"] != nil })
        let rights = try #require(lines.first { $0["message"] == "rights of this process" })
        #expect(rights["user"] == "root" && rights["capabilities"] != "none" && rights["emulator-sandbox"] == "on")
        #expect(rights["guest-network"] == "restricted")
        #expect(lines.contains { $0["message"]?.hasPrefix("the node does not need to run as root") == true })
    }

    @Test("under a journal lines go there by its own protocol; without it they are on standard error with a priority")
    func journal() async throws {
        let log = scratch.file("log").string
        let record = scratch.file("journal").string
        let receiver = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.bind("/run/systemd/journal/socket")
            print("bound", flush=True)
            out = open(sys.argv[1], "ab")
            s.settimeout(60)
            while True:
                out.write(s.recv(1 << 20) + b"\\n"); out.flush()
            """
        try receiver.write(toFile: scratch.file("receiver.py").string, atomically: true, encoding: .utf8)
        let before = """
            mount -t tmpfs none /run; mkdir -p /run/systemd/journal; export JOURNAL_STREAM=$(stat -Lc %d:%i /dev/stderr)
            exec 3< <(timeout 60 python3 '\(scratch.file("receiver.py"))' '\(record)'); read -r -u 3; exec 3<&-
            ( for i in $(seq 400); do grep -q "node is ready" '\(record)' && break; sleep 0.05; done
              echo "node is ready" >>'\(log)' ) &
            """
        _ = try await withNode(before: before) { _ in }
        let entries = try String(contentsOfFile: record, encoding: .utf8)
        #expect(entries.contains("PRIORITY=5\nSYSLOG_IDENTIFIER=cloudlet-node\n"))
        #expect(entries.contains("MESSAGE=node is ready") && entries.contains("CLOUDLET_ACCELERATOR="))
        #expect(entries.contains("MESSAGE=node has ended"))
        #expect(try String(contentsOfFile: log, encoding: .utf8) == "node is ready\n")

        try FileSystem.remove(FilePath(log))
        _ = try await withNode(["--log-format", "journald"], before: "mount -t tmpfs none /run") { _ in }
        let plain = try String(contentsOfFile: log, encoding: .utf8)
        #expect(plain.split(separator: "\n").allSatisfy { $0.wholeMatch(of: /<[0-7]>20.*/) != nil }, "\(plain)")
    }
}
