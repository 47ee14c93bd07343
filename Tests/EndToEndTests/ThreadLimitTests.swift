// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

/// A node whose user, or service, may have no more threads and processes. No guest is run.
@Suite(
    .serialized, .timeLimit(.minutes(3)),
    .enabled(if: EndToEndRequirements.missing.isEmpty, "needs \(EndToEndRequirements.missing.joined(separator: ", "))"))
struct ThreadLimitTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// Runs a node of a user who runs nothing else, and whom the limit therefore concerns alone.
    private func withNode(_ body: @escaping @Sendable (BackgroundProgram) async throws -> Void) async throws -> Int32 {
        let script = """
            set -e
            ip link set lo up
            cd '\(scratch.path)'; chmod 755 .; mkdir programs home; chmod 700 home; chown 54321 home
            mount --bind '\(Repository.programs)' programs
            exec setpriv --reuid=54321 --regid=54321 --clear-groups --bounding-set=-all --inh-caps=-all \\
                env CLOUDLET_HOME="$PWD/home" HOME="$PWD/home" programs/cloudlet-node --interface lo --log-format text
            """
        return try await Tool.with("unshare", ["-n", "-m", "bash", "-c", script], log: scratch.file("log")) { node in
            try await node.waitFor("node is ready")
            try await body(node)
        }.status
    }

    private func get(_ node: BackgroundProgram, _ path: String) async throws -> String {
        try await Tool.run(
            "nsenter",
            [
                "-t", String(node.pid), "-n", "curl", "-s", "-m", "5", "-w", "%{http_code}",
                "http://127.0.0.1:8022\(path)",
            ]
        ).output
    }

    /// Allows the node's user as many threads as said; `nil` for as many as it has now.
    private func allow(_ count: Int?, _ node: BackgroundProgram) async throws {
        let now = try Directory.names(in: FilePath("/proc/\(node.pid)/task")).count
        let number = String(count ?? now)
        let user = ["--reuid=54321", "--regid=54321", "--clear-groups"]
        let result = try await Tool.run(
            "setpriv", user + ["prlimit", "--pid", String(node.pid), "--nproc=\(number):"])
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test("a node that gets no more threads says so, is healthy but not ready, recovers, and can be ended")
    func limit() async throws {
        let status = try await withNode { node in
            try await until(10, "not ready") { try await get(node, "/ready") == "ready\n200" }
            try await allow(nil, node)
            try await node.waitFor("the node serves no new clients", seconds: 10)
            #expect(node.output.contains("TasksMax"))
            try await until(10, "still ready") {
                let answer = try await get(node, "/ready")
                return answer.contains("threads: the system allows no more") && answer.hasSuffix("503")
            }
            for _ in 0..<10 { #expect(try await get(node, "/health") == "alive\n200") }
            try await allow(10_000, node)
            try await node.waitFor("allows more threads and processes again", seconds: 10)
            try await until(10, "not ready again") { try await get(node, "/ready") == "ready\n200" }
            try await allow(nil, node)
            try await until(10, "not told again") { node.output.components(separatedBy: "no new clients").count == 3 }
        }
        #expect(status == 0)
        let log = try String(contentsOfFile: scratch.file("log").string, encoding: .utf8)
        #expect(log.contains("node has ended"))
    }
}
