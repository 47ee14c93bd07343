// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import SystemPackage
import Testing

/// `cloudlet-find` as a person uses it.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct FindCommandLabTests {
    private let first = "11111111-1111-4111-8111-111111111111"
    private let second = "22222222-2222-4222-8222-222222222222"

    /// Runs `cloudlet-find`; its exit status comes last.
    private func find(_ lab: LanLab, _ host: Int, _ arguments: [String]) async throws -> String {
        let words = (["cloudlet-find"] + arguments).enumerated().map { index, word in
            index == 0 ? LanLab.program(word).string : "'\(word)'"
        }
        let line = "CLOUDLET_HOME=/run/find timeout 15 \(words.joined(separator: " ")) 2>&1; echo \"status $?\""
        return try await lab.run(host, ["sh", "-c", line])
    }

    @Test("options choose protocol, interface, host and time; exit status and explanations tell the outcome")
    func options() async throws {
        try await LanLab.with(hosts: 2) { lab in
            let nothing = try await find(lab, 2, ["--timeout", "1"])
            #expect(nothing.contains("no node found") && nothing.hasSuffix("status 2\n"), "\(nothing)")
            #expect(try await find(lab, 2, ["--interface", "eth9"]).hasSuffix("status 3\n"))
            #expect(try await find(lab, 2, ["--host", "nonsense"]).hasSuffix("status 64\n"))

            try await lab.startNode(1, ["--id", first, "--name", "First"])
            try await until(5, "not announced by mDNS") {
                try await find(lab, 2, ["--protocol", "mdns", "--timeout", "1"]).contains("First")
            }
            for (arguments, origin) in [
                (["--protocol", "mdns"], "\"origins\":[\"mdns\"]"), (["--protocol", "ssdp"], "\"origins\":[\"ssdp\"]"),
                (["--host", "10.77.0.2"], "\"origins\":[\"given\"]"),
                (["--interface", "eth0", "--timeout", "5"], "\"address\":\""),
            ] {
                let output = try await find(lab, 2, arguments + ["--json"])
                #expect(output.contains(origin) && output.contains(first), "\(arguments): \(output)")
                #expect(output.components("\"event\":\"found\"") == 1 && output.hasSuffix("status 0\n"), "\(output)")
            }
            // Without discovery, where all multicast is lost.
            try await lab.script(["mcast", "off"])
            let direct = try await find(lab, 2, ["--host", "10.77.0.2:8022"])
            #expect(direct.contains("First") && direct.hasSuffix("status 0\n"))
            // A firewall on the node: what is announced is not what can be reached.
            try await lab.script(["mcast", "on"])
            _ = try await lab.run(
                1,
                [
                    "sh", "-c",
                    "nft add table ip f; nft 'add chain ip f i { type filter hook input priority 0; }'; nft add rule ip f i tcp dport '{8021, 8022}' drop; nft add table ip6 f; nft 'add chain ip6 f i { type filter hook input priority 0; }'; nft add rule ip6 f i tcp dport '{8021, 8022}' drop",
                ])
            let closed = try await find(lab, 2, ["--timeout", "4"])
            #expect(closed.contains("could not be verified") && closed.contains("firewall"), "\(closed)")
            #expect(!closed.contains("First  ") && closed.hasSuffix("status 2\n"), "\(closed)")
        }
    }

    @Test("three nodes of different bases and load: the right one is picked; one dies while it is watched")
    func threeNodes() async throws {
        let base = String(repeating: "ab", count: 32)
        try await LanLab.with(hosts: 4) { lab in
            try await lab.startNode(1, ["--name", "Node 1"])
            try await lab.startNode(2, ["--name", "Node 2", "--base", base, "--id", first])
            try await lab.startNode(3, ["--name", "Node 3", "--id", second])
            try await lab.script(["say", "1", "node", "load 0.9"])
            try await lab.script(["say", "3", "node", "load 0"])
            let search = try await lab.find(4, ["--base", base, "--timeout", "4"])
            #expect(search.found.count == 3 && search.output.contains("! \(first)\n"), "\(search.output)")

            try await lab.script([
                "bg", "4", "list", "env", "CLOUDLET_HOME=/run/find", LanLab.program("cloudlet-find").string, "--watch",
            ])
            func listed() async throws -> String { try await lab.script(["log", "4", "list"]) }
            try await until(5, "not all listed") { try await listed().components("\n+ Node") == 3 }
            try await lab.script(["kill9", "3", "node"])
            try await until(10, "the death is not shown") { try await listed().contains("\n- Node 3 ") }
            try await lab.script(["rm", "2"])
            try await until(12, "the power cut is not shown") { try await listed().contains("\n- Node 2 ") }
            // What was known before is told to be dead.
            let dead = try await find(lab, 4, ["--timeout", "4"])
            #expect(
                dead.contains("Node 1 ") && dead.contains("dead: ") && dead.contains("(Node 2)")
                    && dead.hasSuffix("status 0\n"), "\(dead)")
            let search2 = try await lab.find(4, ["--base", base, "--timeout", "4"])
            #expect(search2.found.count == 1 && !search2.output.contains("! \(first)"))
            try await lab.script(["again", "3"])
            try await until(10, "the return is not shown") { try await listed().components("\n+ Node 3 ") == 2 }
            #expect(try await listed().components("\n- Node 1 ") == 0)
        }
    }

    @Test("10,000 false nodes neither hide the real one nor make the search long or large")
    func falseNodes() async throws {
        try await LanLab.with(hosts: 3, avahi: false) { lab in
            try await lab.startNode(1, ["--id", first, "--name", "Real", "--no-mdns"])
            let flood = Repository.root.appending("Tests/DiscoveryLabTests/false-nodes").string
            try await lab.script(["bg", "2", "flood", "/usr/bin/python3", flood, "10.77.0.3", "10000"])
            try await until(5, "the flood does not begin") {
                try await lab.script(["log", "2", "flood"]).contains("flooding")
            }
            let line = """
                CLOUDLET_HOME=/run/find python3 -c '
                import resource, subprocess, sys, time
                start = time.time()
                done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
                peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
                print(done.stdout, done.returncode, "seconds", int(time.time() - start), "peak", peak)
                ' \(LanLab.program("cloudlet-find")) --json --timeout 4
                """
            let output = try await lab.run(3, ["sh", "-c", line])
            #expect(output.contains(first) && output.components("\"event\":\"found\"") == 1, "\(output.suffix(300))")
            let numbers = output.split(separator: " ").compactMap { Int($0.filter { $0 != "\n" }) }
            #expect(numbers.count >= 3 && numbers[numbers.count - 2] <= 6, "\(output.suffix(60))")
            #expect((numbers.last ?? .max) < 100, "\(output.suffix(60))")
        }
    }
}
