// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import Synchronization
import SystemPackage
import Testing

/// The node as a service, with real VMs: sessions listed, stopped, queued, refused.
extension EndToEndTests {
    /// Runs `body` with a node on host 1 of a LAN of three.
    private func withNode(
        _ chain: EndToEndFixture.Chain, _ settings: [String: String] = [:],
        _ body: @escaping @Sendable (EndToEndLab, BackgroundProgram) async throws -> Void
    ) async throws {
        let log = chain.directory.appending("service-\(UInt32.random(in: 0 ... .max)).log")
        let environment = chain.environment.merging(settings) { $1 }
        let status = try await EndToEndLab.with(hosts: 3) { lab in
            try await lab.with(1, [Program.path("cloudlet-node")], environment: environment, log: log) { node in
                try await node.waitFor("node is ready")
                try await body(lab, node)
            }.status
        }
        let text = String(decoding: try File(log, .read).read(1 << 20, at: 0), as: UTF8.self)
        #expect(status == 0, "\(text)")
        try await requireNothingLeft(chain)
    }

    private func arguments(_ overlay: FilePath, _ options: [String]) -> [String] {
        [
            Program.path("cloudlet-find"), "--protocol", "ssdp", "--timeout", "20", "--overlay", overlay.string,
        ] + options
    }

    private func client(_ chain: EndToEndFixture.Chain, _ host: Int) -> [String: String] {
        ["CLOUDLET_HOME": chain.directory.appending("client-\(host)").string]
    }

    /// Runs `body` while a client on a host holds a VM.
    private func holding(
        _ lab: EndToEndLab, _ chain: EndToEndFixture.Chain, _ host: Int, _ options: [String] = [],
        _ body: @escaping @Sendable (BackgroundProgram) async throws -> Void
    ) async throws {
        let log = chain.directory.appending("client-\(UInt32.random(in: 0 ... .max)).log")
        _ = try await lab.with(
            host, arguments(chain.overlay, ["--hold"] + options), environment: client(chain, host), log: log
        ) { program in
            try await program.waitFor("VM for face runs")
            try await body(program)
        }
    }

    private func sessions(_ chain: EndToEndFixture.Chain, _ options: [String] = []) async throws -> [[String: Any]] {
        let result = try await Program.cloudlet(
            ["list-session", "--format", "json"] + options, environment: chain.environment)
        #expect(result.status == 0, "\(result.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
    }

    @Test("sessions are listed while they live, and one that is stopped ends with its VM and tells its client")
    func listAndStop() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        try await withNode(chain) { lab, _ in
            try await holding(lab, chain, 2) { program in
                let listed = try await sessions(chain)
                #expect(listed.count == 1)
                let session = try #require(listed.first)
                #expect(session["stage"] as? String == "running" && session["app"] as? String == "face")
                #expect(session["client"] as? String == EndToEndLab.address(2))
                #expect(session["base"] as? String == chain.baseHashes["guest.raw"]?.hex)
                #expect((session["forwards"] as? [String])?.first?.contains("9876") == true)
                let id = try #require(session["id"] as? String)
                let stopped = try await Program.cloudlet(["stop-session", id], environment: chain.environment)
                #expect(stopped.status == 0, "\(stopped.errors)")
                try await program.waitFor("it was stopped on the node")
                #expect(try await sessions(chain).isEmpty)
                let ended = try await sessions(chain, ["--all"]).first { $0["id"] as? String == id }
                #expect(ended?["stage"] as? String == "ended")
                #expect(ended?["reason"] as? String == "it was stopped on the node")
                let again = try await Program.cloudlet(["stop-session", id], environment: chain.environment)
                #expect(again.status == 66)
            }
        }
    }

    @Test("at level debug the log follows a session through its stages, with its id in each line")
    func loggedStages() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        try await withNode(chain, ["CLOUDLET_LOG_LEVEL": "debug", "CLOUDLET_LOG_FORMAT": "json"]) { lab, node in
            try await holding(lab, chain, 2) { $0.send(SIGINT) }
            try await node.waitFor("session ended")
            let lines = try node.output.split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
            }
            let id = try #require(lines.first { $0["message"] == "session created" }?["session"])
            // On a busy host, the guest's agent may be slow.
            let told = lines.filter { $0["session"] == id && $0["delay"] == nil }
                .compactMap { $0["stage"] ?? $0["message"] }
            #expect(told.first == "session created" && told.last == "session ended", "\(told)")
            // What begins together does so in any order.
            #expect(Set(told[1...3]) == ["start emulator", "copy memory", "receive and place"], "\(told)")
            #expect(told[4...5] == ["finish disk", "load state"], "\(told)")
            #expect(Set(told[6...7]) == ["resume", "application ready"], "\(told)")
            #expect(told[8...11] == ["refresh guest", "synthesized", "VM runs", "end VM"], "\(told)")
        }
    }

    @Test("with --watch every change of the sessions is shown")
    func watch() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let log = chain.directory.appending("watch.log")
        try await withNode(chain) { lab, _ in
            _ = try await Tool.with(
                Program.path("cloudlet"), ["list-session", "--watch"], environment: chain.environment, log: log
            ) { watch in
                try await watch.waitFor("ID")
                #expect(!watch.output.contains("running"), "\(watch.output)")
                try await holding(lab, chain, 2) { _ in try await watch.waitFor("running") }
                let isEmpty = try await poll(every: .milliseconds(100), for: .seconds(60)) {
                    () throws(CloudletError) in watch.output.split(separator: "\n").last?.hasPrefix("ID") == true
                }
                #expect(isEmpty && watch.isRunning, "\(watch.output)")
            }
        }
    }

    @Test("a second VM of an overlay gets another port, or is refused because of its own when the client wishes")
    func samePortTwice() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        try await withNode(chain) { lab, _ in
            try await holding(lab, chain, 2) { _ in
                let refused = try await lab.run(
                    3, arguments(chain.overlay, ["--fixed-ports"]), environment: client(chain, 3))
                #expect(refused.status == 75 && refused.errors.contains("port 9876"), "\(refused.errors)")
                // Which program that is, is the node's affair.
                #expect(refused.errors.contains("it is taken by another program"), "\(refused.errors)")
                #expect(!refused.errors.contains("qemu"), "\(refused.errors)")
                let launch = Repository.root.appending("Scripts/guest/face-client").string
                let moved = try await lab.run(
                    3, arguments(chain.overlay, ["--launch", launch]), environment: client(chain, 3))
                #expect(moved.status == 0, "\(moved.errors)")
                #expect(!moved.output.contains(":9876 ->") && moved.output.contains("-> 9876"), "\(moved.output)")
                #expect(try FaceAnswer(in: moved.output).continues(chain.before))
            }
        }
    }

    @Test("of several nodes a person at a terminal chooses; without one the first that has the base VM is taken")
    func severalNodes() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let launch = Repository.root.appending("Scripts/guest/face-client").string
        let log = chain.directory.appending("other-node.log")
        let other = ["CLOUDLET_HOME": chain.directory.appending("other-home").string]
        try await withNode(chain) { lab, _ in
            _ = try await lab.with(3, [Program.path("cloudlet-node")], environment: other, log: log) { node in
                try await node.waitFor("node is ready")
                let find = "\(Program.path("cloudlet-find")) --protocol ssdp --timeout 3 --overlay \(chain.overlay)"
                let asked = try await lab.run(
                    2, ["sh", "-c", "echo 9 | script -qec '\(find)' /dev/null"], environment: client(chain, 2))
                #expect(asked.status == 64, "\(asked.output)\(asked.errors)")
                for words in [
                    "has the base VM", "does not have the base VM", "Which node (1 to 2", "'9' is not one of the nodes",
                ] {
                    #expect(asked.output.contains(words), "\(words): \(asked.output)")
                }
                let taken = try await lab.run(
                    2, arguments(chain.overlay, ["--launch", launch]), environment: client(chain, 2))
                #expect(
                    taken.status == 0 && taken.output.contains("runs on \(EndToEndLab.address(1))"), "\(taken.errors)")
            }
        }
    }

    @Test("beyond the maximum a client waits, hears its place, and gets its VM when another one ends")
    func queued() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        try await withNode(chain, ["CLOUDLET_ADMISSION_MACHINES": "1"]) { lab, _ in
            let launch = Repository.root.appending("Scripts/guest/face-client").string
            let log = chain.directory.appending("queued.log")
            try await holding(lab, chain, 2) { first in
                let waiting = try await lab.with(
                    3, arguments(chain.overlay, ["--launch", launch]), environment: client(chain, 3), log: log
                ) { second in
                    _ = try await poll(every: .milliseconds(100), for: .seconds(60)) { () async throws(CloudletError) in
                        let places = try? await sessions(chain).compactMap { $0["place"] as? Int }
                        return places == [1]
                    }
                    // Both may have been made in the same second.
                    let stages = try await sessions(chain).compactMap { $0["stage"] as? String }
                    #expect(stages.sorted() == ["running", "waiting"])
                    first.send(SIGINT)
                    try await second.waitFor("\"app\":\"face\"")
                }
                _ = waiting
            }
        }
    }

    @Test("DONE is not sent for a VM whose application does not answer on the overlay's readiness port")
    func notReady() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let overlay = chain.directory.appending("mute")
        let made = try await Program.cloudlet(
            [
                "overlay", chain.disk.string, "-o", overlay.string, "--ready-port", "7", "--until-port", "22", "--",
                "-redir", "tcp:0::22",
            ], environment: chain.environment)
        #expect(made.status == 0, "\(made.errors)")
        try await withNode(chain, ["CLOUDLET_SESSION_READINESS": "2"]) { lab, _ in
            // As the guest has run, it is not booted instead.
            let result = try await lab.run(2, arguments(overlay, ["--allow-boot"]), environment: client(chain, 2))
            #expect(result.status == 69, "\(result.errors)")
            #expect(result.errors.contains("does not answer on guest port 7 within 2.000 s"), "\(result.errors)")
            #expect(!result.output.contains("runs on"))
        }
    }

    @Test("an application that waits to be spoken to is known to be ready")
    func silentApplication() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let overlay = chain.directory.appending("silent")
        let provision = chain.directory.appending("install-silent")
        let server = #"""
            use IO::Socket::INET;
            my $l = IO::Socket::INET->new(LocalPort => 9000, Listen => 5, ReuseAddr => 1) or die;
            while (my $c = $l->accept) { my $line = <$c>; print $c "heard $line" if defined $line; close $c }
            """#
        let script = """
            #!/bin/sh
            exec ssh -F none -p $CLOUDLET_VM_PORT_22 -i $FACE_KEY -o BatchMode=yes -o StrictHostKeyChecking=no \
                -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1 \
                'cat > /root/silent.pl; setsid perl /root/silent.pl < /dev/null > /dev/null 2>&1 &' << 'END'
            \(server)
            END
            """
        try File(provision, .create(permissions: 0o755)).write(Array(script.utf8), at: 0)
        let made = try await Program.cloudlet(
            [
                "overlay", chain.disk.string, "-o", overlay.string, "--ready-port", "9000", "--provision",
                provision.string, "--no-closing-step", "--", "-redir", "tcp:0::9000",
            ], environment: chain.environment.merging(["FACE_KEY": chain.disk.string + ".key"]) { $1 })
        #expect(made.status == 0, "\(made.errors)")
        let say = #"exec 3<>/dev/tcp/$CLOUDLET_HOST/$CLOUDLET_PORT_9000; echo hello >&3; cat <&3"#
        try await withNode(chain, ["CLOUDLET_SESSION_READINESS": "10"]) { lab, _ in
            let result = try await lab.run(
                2, arguments(overlay, ["--launch", "bash -c '\(say)'"]), environment: client(chain, 2))
            #expect(result.status == 0 && result.output.contains("heard hello"), "\(result.errors)\(result.output)")
        }
    }

    @Test(
        "with keep-vms a VM goes on while the node is away, ended or killed, and its client finishes it afterwards",
        arguments: [SIGTERM, SIGKILL])
    func keptVM(signal: Int32) async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let logs = ["1", "2"].map { chain.directory.appending("keep-\(signal)-\($0).log") }
        let settings = ["CLOUDLET_SESSION_KEEP_VMS": "true", "CLOUDLET_SESSION_LEASE": "20"]
        let environment = chain.environment.merging(settings) { $1 }
        try await EndToEndLab.with(hosts: 2) { lab in
            let session = Mutex("")
            _ = try await lab.with(1, [Program.path("cloudlet-node")], environment: environment, log: logs[0]) { node in
                try await node.waitFor("node is ready")
                try await holding(lab, chain, 2) { _ in
                    let id = try #require(try await sessions(chain).first?["id"] as? String)
                    session.withLock { $0 = id }
                    node.send(signal)
                    _ = try await poll(every: .milliseconds(50), for: .seconds(60)) { () throws(CloudletError) in
                        !node.isRunning
                    }
                }
            }
            let id = session.withLock { $0 }
            let ask = ["curl", "-s", "-m", "10", "http://\(EndToEndLab.address(1)):9876/"]
            let away = try await lab.run(2, ask)
            #expect(try FaceAnswer(in: away.output).continues(chain.before), "\(away)")
            _ = try await lab.with(1, [Program.path("cloudlet-node")], environment: environment, log: logs[1]) { node in
                try await node.waitFor("node is ready")
                #expect(node.output.contains("session continues"), "\(node.output)")
                let answer = try await lab.run(2, ask)
                #expect(try FaceAnswer(in: answer.output).continues(chain.before))
                #expect(try await sessions(chain).map { $0["id"] as? String } == [id])
                let stopped = try await Program.cloudlet(["stop-session", id], environment: chain.environment)
                #expect(stopped.status == 0, "\(stopped.errors)")
            }
        }
        try await requireNothingLeft(chain)
    }

    @Test("sessions of a node that was killed are marked when the next one starts")
    func reconciled() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let logs = ["1", "2"].map { chain.directory.appending("reconcile-\($0).log") }
        try await EndToEndLab.with(hosts: 2) { lab in
            let node = [Program.path("cloudlet-node")]
            _ = try await lab.with(1, node, environment: chain.environment, log: logs[0]) { node in
                try await node.waitFor("node is ready")
                try await holding(lab, chain, 2) { _ in node.send(SIGKILL) }
            }
            let listed = try await sessions(chain)
            #expect(listed.isEmpty, "sessions of a dead node are listed as live")
            _ = try await lab.with(1, node, environment: chain.environment, log: logs[1]) { node in
                try await node.waitFor("node is ready")
                #expect(try await sessions(chain, ["--all"]).last?["reason"] as? String == "the node died")
            }
        }
        try await requireNothingLeft(chain)
    }
}
