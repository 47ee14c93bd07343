// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

extension EndToEndTests {
    private func log(_ chain: EndToEndFixture.Chain, _ name: String) -> FilePath {
        chain.directory.appending("\(name)-\(UInt32.random(in: 0 ... .max)).log")
    }

    private var client: String { Repository.root.appending("Scripts/guest/face-client").string }

    @Test(
        "two hosts on a LAN: the node is found, the overlay sent, the application goes on where it stood",
        arguments: [("native", "ssdp"), ("native", "mdns"), ("libupnp", "ssdp")])
    func overTheNetwork(engine: String, protocol: String) async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let log = log(chain, "node-\(engine)")
        let result = try await EndToEndLab.with(hosts: 2) { lab in
            try await lab.with(
                1, [Program.path("cloudlet-node"), "--upnp-engine", engine], environment: chain.environment, log: log
            ) { node in
                try await node.waitFor("node is ready")
                if `protocol` == "mdns" { try await node.waitFor("mDNS: announced") }
                return try await lab.run(
                    2,
                    [
                        Program.path("cloudlet-find"), "--protocol", `protocol`, "--overlay", chain.overlay.string,
                        "--launch", client, "--timeout", "20",
                    ], environment: ["CLOUDLET_HOME": chain.directory.appending("client").string])
            }
        }
        #expect(result.value.status == 0, "\(result.value.errors)")
        #expect(result.value.output.contains("VM for face runs on \(EndToEndLab.address(1))"))
        #expect(result.value.output.contains("tcp \(EndToEndLab.address(1)):9876 -> 9876"))
        let after = try FaceAnswer(in: result.value.output)
        #expect(after.continues(chain.before), "before \(chain.before), after \(after)")
        #expect(result.status == 0, "the node ended with \(result.status)")
        let text = String(decoding: try File(log, .read).read(1 << 20, at: 0), as: UTF8.self)
        #expect(text.contains("the client is done") && text.contains("node has ended"))
        try await requireNothingLeft(chain)
        #expect(try chain.hashesNow() == chain.baseHashes)
    }

    @Test("a machine with nothing but loopback finds itself", arguments: [["--interface", "lo"], []])
    func loopbackOnly(options: [String]) async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let package = chain.directory.appending("face-\(UInt32.random(in: 0 ... .max)).zip")
        // One shell in a network namespace of its own: node, then client, then the node is told to end.
        let script = """
            python3 -c '
            import os, sys, zipfile
            with zipfile.ZipFile(sys.argv[1], "w") as z:
                for name in os.listdir(sys.argv[2]):
                    z.write(f"{sys.argv[2]}/{name}", "overlay-meta" if name.endswith("-meta") else name)
            ' '\(package)' '\(chain.overlay)'
            ip link set lo up
            '\(Program.path("cloudlet-node"))' \(options.joined(separator: " ")) > '\(log(chain, "lo"))' 2>&1 &
            node=$!
            CLOUDLET_HOME='\(chain.directory.appending("client-lo"))' timeout 60 '\(Program.path("cloudlet-find"))' \
                \(options.joined(separator: " ")) --timeout 20 --overlay '\(chain.overlay)' --launch '\(client)' --json
            status=$?
            CLOUDLET_HOME='\(chain.directory.appending("client-lo"))' timeout 60 '\(Program.path("client-example"))' \
                '\(package)' < /dev/null
            example=$?
            kill $node
            wait $node
            echo "find $status example $example node $?"
            """
        let result = try await Tool.run(
            "unshare", ["-n", "bash", "-c", script], environment: chain.environment)
        #expect(result.output.contains("find 0 example 0 node 0"), "\(result.output)\(result.errors)")
        #expect(result.output.contains("\ntcp 127.0.0.1:9876 leads to port 9876\n"), "\(result.output)")
        #expect(try FaceAnswer(in: result.output).continues(chain.before))
        let json = try #require(result.output.firstRange(of: "}\n{")).lowerBound
        let report = try JSONSerialization.jsonObject(with: Data(result.output[...json].utf8)) as? [String: Any]
        #expect(report?["app"] as? String == "face" && report?["host"] as? String == "127.0.0.1")
        try await requireNothingLeft(chain)
    }

    @Test(
        "an independent client of 2013 completes a session, in both dialects, and by a package at a URL",
        arguments: ["python", "android", "close-at-done", "url"])
    func oldClients(dialect: String) async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let reader = Repository.root.appending("Tests/EndToEndTests/Reference/client_2013.py").string
        let result = try await EndToEndLab.with(hosts: 2) { lab in
            try await lab.with(
                1, [Program.path("cloudlet-node")], environment: chain.environment, log: log(chain, "old-\(dialect)")
            ) { node in
                try await node.waitFor("node is ready")
                return try await lab.run(
                    2,
                    [
                        "python3", reader, dialect, EndToEndLab.address(1),
                        chain.overlay.appending("face.overlay-meta").string,
                        "9876",
                    ])
            }
        }
        #expect(result.value.status == 0, "\(result.value.output)\(result.value.errors)")
        #expect(try FaceAnswer(in: result.value.output).continues(chain.before))
        try await requireNothingLeft(chain)
    }

    @Test("a base VM that is added while the node runs is served; without it the client is told what the node has")
    func laterBase() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let home = chain.directory.appending("home-later")
        let environment = ["CLOUDLET_HOME": home.string]
        let results = try await EndToEndLab.with(hosts: 2) { lab in
            try await lab.with(1, [Program.path("cloudlet-node")], environment: environment, log: log(chain, "later")) {
                node in
                try await node.waitFor("node is ready")
                let find = [
                    Program.path("cloudlet-find"), "--overlay", chain.overlay.string, "--launch", client, "--timeout",
                    "10",
                ]
                let clientHome = ["CLOUDLET_HOME": chain.directory.appending("client").string]
                let without = try await lab.run(2, find, environment: clientHome)
                let added = try await Program.cloudlet(["add-base", chain.disk.string], environment: environment)
                let with = try await lab.run(2, find, environment: clientHome)
                return [without, added, with]
            }
        }.value
        #expect(results[0].status == 66 && results[0].errors.contains("No matching Base VM"), "\(results[0].errors)")
        #expect(results[1].status == 0, "\(results[1].errors)")
        #expect(results[2].status == 0 && results[2].output.contains("\"app\":\"face\""), "\(results[2].errors)")
        let removed = try await Program.cloudlet(["del-base", chain.disk.string], environment: environment)
        #expect(removed.status == 0)
        // `del-base` gave the owner the right to write back; this disk is still the base VM of the other home.
        try File(chain.disk, .read).setPermissions(0o444)
    }

    @Test("no node: the exit status and an explanation say so")
    func noNode() async throws {
        let result = try await EndToEndLab.with(hosts: 1) { lab in
            try await lab.run(
                1, [Program.path("cloudlet-find"), "--timeout", "1"], environment: ["CLOUDLET_HOME": "/tmp/clt-none"])
        }
        #expect(result.status == 2 && result.errors.contains("no node found"))
        let down = try await Tool.run(
            "unshare", ["-n", Program.path("cloudlet-find"), "--timeout", "1"],
            environment: ["CLOUDLET_HOME": "/tmp/clt-none"])
        #expect(down.status == 3, "\(down.errors)")
        try FileSystem.remove("/tmp/clt-none")
    }
}
