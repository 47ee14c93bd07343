// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

extension EndToEndTests {
    /// Customises a VM on the chain's base with a program of the test's and cuts an overlay.
    private func overlay(
        _ chain: EndToEndFixture.Chain, into directory: FilePath, provision: String, _ options: [String]
    ) async throws -> Tool.Result {
        try await Program.cloudlet(
            ["overlay", chain.disk.string, "-o", directory.string, "--provision", provision] + options,
            environment: chain.environment.merging(["FACE_KEY": chain.disk.string + ".key"]) { $1 })
    }

    /// What `cloudlet inspect` says of an overlay.
    func inspection(_ overlay: FilePath) async throws -> [String: Any] {
        let result = try await Program.cloudlet(
            ["inspect", overlay.string, "--format", "json"],
            environment: ["CLOUDLET_HOME": overlay.removingLastComponent().appending("nohome").string])
        return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }

    /// Rebuilds a VM, on the chain's base VM or another one, waits for its application's answer and ends the VM by Ctrl-C.
    func answer(
        _ chain: EndToEndFixture.Chain, _ overlay: FilePath, _ options: [String] = [], disk: FilePath? = nil,
        settings: [String: String] = [:], patience: Int = 60
    ) async throws -> (FaceAnswer, String) {
        let log = overlay.removingLastComponent().appending("log-\(UInt32.random(in: 0 ... .max))")
        let ((answer, output), status) = try await Tool.with(
            Program.path("cloudlet"), ["synthesis", (disk ?? chain.disk).string, overlay.string] + options,
            environment: chain.environment.merging(settings) { $1 }, log: log
        ) { program in
            try await program.waitFor("Ctrl-C ends the VM")
            let script = "for i in $(seq \(patience)); do curl -s -m 5 http://127.0.0.1:9876/ && exit; sleep 1; done"
            let answer = try await Tool.run("sh", ["-c", script])
            program.send(SIGINT)
            if options.contains("--residue") { try await program.waitFor("Overlay meta") }
            return (try FaceAnswer(in: answer.output), program)
        }
        #expect(status == 0, "\(output.output)")
        return (answer, output.output)
    }

    @Test("the closing step keeps what the guest threw away out of the overlay")
    func closingStep() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        /// A program that runs a command in the guest.
        func program(_ name: String, _ command: String) throws -> String {
            let script = """
                #!/bin/sh
                exec ssh -F none -p $CLOUDLET_VM_PORT_22 -i $FACE_KEY -o BatchMode=yes -o StrictHostKeyChecking=no \\
                    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1 '\(command)'
                """
            try scratch.write(name, Array(script.utf8)).setPermissions(0o755)
            return scratch.file(name).string
        }
        // An installer of 32 MB that nobody can compress comes, is read, and is deleted.
        let installer = try program(
            "install",
            "head -c 32000000 /dev/urandom > /root/installer; sync; cat /root/installer > /dev/null; rm /root/installer"
        )
        var sizes: [Int] = []
        for options in [[], ["--no-closing-step", "--no-discard"]] {
            let directory = scratch.file("overlay\(sizes.count)")
            let result = try await overlay(chain, into: directory, provision: installer, options)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.errors.contains("closing step ") == sizes.isEmpty)
            // The guest's agent runs it.
            #expect(!result.errors.contains("the closing step"), "\(result.errors)")
            sizes.append(try #require(try await inspection(directory)["compressed_bytes"] as? Int))
        }
        #expect(sizes[1] > 32_000_000 && sizes[0] < 8_000_000, "\(sizes)")

        // An agent that may not run programs leaves it to SSH, and without a key does what it may.
        let blocker = try program(
            "block",
            "sed -i \"s|-t /run|-t /run -b guest-exec|\" /usr/lib/cloudlet-guest/agent; \(Self.restartOfAgent)")
        for (name, options, note) in [
            ("ssh", ["--ssh-key", chain.disk.string + ".key"], "so it is run by SSH"),
            ("trimmed", [], "It only discarded unused disk blocks"),
        ] {
            let blocked = try await overlay(chain, into: scratch.file(name), provision: blocker, options)
            #expect(blocked.status == 0 && blocked.errors.contains("closing step "), "\(blocked.errors)")
            #expect(blocked.errors.contains(note) && blocked.errors.contains("guest-exec"), "\(blocked.errors)")
        }
        let failing = try await overlay(
            chain, into: scratch.file("told"), provision: "true", ["--closing-step", "false"])
        #expect(failing.status == 0 && failing.errors.contains("the closing step ended with status 1"))
        try await requireNothingLeft(chain)
    }

    @Test("an overlay of the disk alone boots on a node into the application, which the LAN reaches")
    func diskOnly() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let directory = scratch.file("face")
        let result = try await overlay(
            chain, into: directory, provision: Repository.script("guest/install-face"),
            [
                "--disk-only", "--compression", "zstd", "--blob-size", "256K", "--ready-port", "9876", "--", "-redir",
                "tcp:9876::9876",
            ])
        #expect(result.status == 0, "\(result.errors)")
        let report = try await inspection(directory)
        #expect(report["memory_bytes"] as? Int == 0)
        let blobs = try #require(report["blobs"] as? [[String: Any]])
        #expect(blobs.allSatisfy { $0["compression"] as? String == "zstd" && $0["memory_pages"] as? Int == 0 })
        #expect(blobs.dropLast().allSatisfy { 256 << 10...300 << 10 ~= $0["item_bytes"] as? Int ?? 0 })
        let verified = try await Program.cloudlet(
            ["verify", directory.string, "--base", chain.disk.string], environment: chain.environment)
        #expect(verified.status == 0, "\(verified.errors)")
        let before = try FaceAnswer(in: result.output + result.errors)
        // A guest that boots where guests are kept from the network gets no route to the LAN.
        let client = Repository.script("guest/face-client")
        let found = try await EndToEndLab.with(hosts: 2) { lab in
            try await lab.with(
                1, [Program.path("cloudlet-node")], environment: chain.environment, log: scratch.file("node")
            ) { node in
                try await node.waitFor("node is ready")
                return try await lab.run(
                    2,
                    [
                        Program.path("cloudlet-find"), "--overlay", directory.string, "--launch", client, "--timeout",
                        "20",
                    ], environment: ["CLOUDLET_HOME": scratch.file("client").string])
            }
        }.value
        #expect(found.status == 0, "\(found.output)\(found.errors)")
        let answer = try FaceAnswer(in: found.output)
        // The same disk, but another run of the application.
        #expect(answer.disk == before.disk && answer.token != before.token && answer.tmpfs == nil)
        try await requireNothingLeft(chain)
        #expect(try chain.hashesNow() == chain.baseHashes)
    }

    @Test("what a VM became is saved at its end as a new overlay on the same base, and goes on from there")
    func residue() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let residue = scratch.file("later")
        let (first, output) = try await answer(
            chain, chain.overlay, ["--residue", residue.string, "--compression", "zstd"])
        #expect(output.contains("Overlay meta: \(residue)/later.overlay-meta"))
        let report = try await inspection(residue)
        #expect(report["base_sha256"] as? String == chain.baseHashes["guest.raw"]?.hex)
        #expect(report["forwards"] as? [String] == ["tcp:9876::9876"])
        let (second, _) = try await answer(chain, residue)
        #expect(second.continues(first) && second.count > first.count, "first \(first), second \(second)")
        let taken = try await Program.cloudlet(
            ["synthesis", chain.disk.string, chain.overlay.string, "--residue", residue.string],
            environment: chain.environment)
        #expect(taken.status == 73 && taken.errors.contains("not empty"))
        try await requireNothingLeft(chain)
    }
}
