// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

/// What a guest can reach, tried from inside a synthesized VM.
extension EndToEndTests {
    /// An overlay of the base VM whose SSH server is forwarded, made once.
    func sshOverlay(_ chain: EndToEndFixture.Chain) async throws -> FilePath { try await overlay(chain, "ssh") }

    /// The same with a forward of UDP more.
    private func udpOverlay(_ chain: EndToEndFixture.Chain) async throws -> FilePath {
        try await overlay(chain, "udp", ["-redir", "udp:5555::7"])
    }

    private func overlay(
        _ chain: EndToEndFixture.Chain, _ name: String, _ forwards: [String] = []
    ) async throws -> FilePath {
        let overlay = chain.directory.appending(name)
        guard try FileStatus.of(overlay) == nil else { return overlay }
        let made = try await Program.cloudlet(
            [
                "overlay", chain.disk.string, "-o", overlay.string, "--until-port", "22", "--", "-redir",
                "tcp:2222::22",
            ] + forwards, environment: chain.environment)
        #expect(made.status == 0, "\(made.errors)")
        return overlay
    }

    /// Whether a guest's UDP service sends back what a host sends, up to large datagrams.
    private func echoes(_ lab: EndToEndLab, to host: Int) async throws -> String {
        let client = """
            import os, socket, sys
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.settimeout(1)
            for size in (1, 1400, 60000):
                data, answer = os.urandom(size), None
                for attempt in range(10):
                    s.sendto(data, (sys.argv[1], 5555))
                    try: answer = s.recv(65536)
                    except socket.timeout: pass
                    if answer == data: break
                print(size, answer == data)
            """
        return try await lab.run(host, ["python3", "-c", client, EndToEndLab.address(1)]).output
    }

    /// Runs a node on host 1 with services that must be out of a guest's reach, and a VM on it for host 2.
    private func withGuest(
        node environment: [String: String], overlay chosen: FilePath? = nil,
        before: @escaping @Sendable (EndToEndLab) async throws -> Void = { _ in },
        _ body: @escaping @Sendable (EndToEndLab, Guest) async throws -> Void
    ) async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let standard = try await sshOverlay(chain)
        let overlay = chosen ?? standard
        let number = UInt32.random(in: 0 ... .max)
        try await EndToEndLab.with(hosts: 3) { lab in
            for (host, address, port, word) in [
                (1, "127.0.0.1", 9001, "loopback"), (1, EndToEndLab.address(1), 9002, "node"),
                (3, EndToEndLab.address(3), 9003, "lan"),
            ] {
                try await lab.script([
                    "bg", String(host), "service-\(word)", "python3", "-c",
                    "import socketserver as s\nclass H(s.BaseRequestHandler):\n"
                        + " def handle(self): self.request.sendall(b'reached-\(word)\\n')\n"
                        + "s.ThreadingTCPServer(('\(address)', \(port)), H).serve_forever()",
                ])
            }
            try await before(lab)
            _ = try await lab.with(
                1, [Program.path("cloudlet-node")], environment: chain.environment.merging(environment) { $1 },
                log: chain.directory.appending("confined-node-\(number).log")
            ) { node in
                try await node.waitFor("node is ready")
                _ = try await lab.with(
                    2, [Program.path("cloudlet-find"), "--overlay", overlay.string, "--hold", "--timeout", "20"],
                    environment: ["CLOUDLET_HOME": chain.directory.appending("client").string],
                    log: chain.directory.appending("confined-find-\(number).log")
                ) { find in
                    try await find.waitFor("Ctrl-C ends the session")
                    try await body(lab, Guest(lab: lab, key: chain.disk.string + ".key", find: find, home: chain.home))
                }
            }
        }
        try await requireNothingLeft(chain)
    }

    /// A guest that is logged into over its forward.
    struct Guest: Sendable {
        let lab: EndToEndLab
        let key: String
        let find: BackgroundProgram
        let home: FilePath

        /// Runs a command in the guest, from a host, for so many seconds at most.
        func run(
            _ command: String, from host: Int = 2, address: String = EndToEndLab.address(1), patience: Int = 90
        ) async throws -> String {
            try await lab.run(
                host,
                [
                    "timeout", String(patience), "ssh", "-F", "none", "-T", "-p", "2222", "-i", key, "-o",
                    "IdentitiesOnly=yes", "-o",
                    "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                    "LogLevel=ERROR", "-o", "ConnectTimeout=20", "root@\(address)", command,
                ]
            ).output
        }

        /// What the guest reads from a TCP service; empty when it can't.
        func read(_ address: String, _ port: Int) async throws -> String {
            try await run(
                "timeout 5 bash -c 'exec 3<>/dev/tcp/\(address)/\(port); read -r -t 4 line <&3; echo $line' 2>/dev/null"
            )
            .filter { !$0.isWhitespace }
        }
    }

    @Test("by default a guest reaches neither the node's loopback nor the node nor the LAN, whatever it does as root")
    func restrictedGuest() async throws {
        try await withGuest(node: [:]) { lab, guest in
            let user = try await guest.run("id -u")
            #expect(user.hasPrefix("0"))
            // The services are there, for others.
            #expect(
                try await lab.run(2, ["bash", "-c", "read l </dev/tcp/\(EndToEndLab.address(3))/9003; echo $l"])
                    .output.contains("reached-lan"))
            #expect(
                try await lab.run(1, ["bash", "-c", "read l </dev/tcp/127.0.0.1/9001; echo $l"])
                    .output.contains("reached-loopback"))
            #expect(try await guest.read("10.0.2.2", 9001) == "")
            #expect(try await guest.read("10.0.2.2", 8022) == "")
            #expect(try await guest.read(EndToEndLab.address(1), 9002) == "")
            #expect(try await guest.read(EndToEndLab.address(3), 9003) == "")
            // Packets for the host's 127.0.0.1 itself.
            let forged = try await guest.run(
                "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip addr del 127.0.0.1/8 dev lo; "
                    + "ip route del local 127.0.0.0/8 table local 2>/dev/null; ip route add 127.0.0.0/8 via 10.0.2.2; "
                    + "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9001; read -r -t 4 l <&3; echo $l' 2>/dev/null; echo tried"
            )
            #expect(forged.contains("tried") && !forged.contains("reached"))
            try await requireNoDatagrams(lab)
        }
    }

    /// What wants a forward of UDP is refused, with the reason, where guests are kept from the network.
    private func requireNoDatagrams(_ lab: EndToEndLab) async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let overlay = try await udpOverlay(chain)
        let found = try await lab.run(
            3, [Program.path("cloudlet-find"), "--overlay", overlay.string, "--launch", "true", "--timeout", "10"],
            environment: ["CLOUDLET_HOME": chain.directory.appending("client-3").string])
        let command = try await Tool.run(
            "timeout", ["20", Program.path("cloudlet"), "synthesis", chain.disk.string, overlay.string],
            environment: chain.environment)
        let why = "the forward udp:5555::7 can't work: the VM may not open connections to other hosts"
        for result in [found, command] {
            #expect(result.status == 69 && result.errors.contains(why), "\(result.status): \(result.errors)")
        }
        try await until(10, "the session is not listed with the reason") {
            try await Program.cloudlet(["list-session", "--all"], environment: chain.environment).output.contains(why)
        }
        #expect(!command.output.contains("runs"))
    }

    @Test(
        "with guest.outbound-network a guest reaches LAN and node, loopback unless a rule forbids it, and answers by UDP"
    )
    func openGuest() async throws {
        let overlay = try await udpOverlay(try await EndToEndFixture.shared.chain())
        let open = ["CLOUDLET_GUEST_OUTBOUND_NETWORK": "true"]
        let rules = Repository.root.appending("Descriptors/nftables/cloudlet-loopback.nft").string
        try await withGuest(node: open, overlay: overlay) { lab, guest in
            let echo = """
                $| = 1; $s = IO::Socket::INET->new(LocalPort => 7, Proto => "udp") or die "no socket: $!";
                print "bound"; while ($p = $s->recv($d, 65536)) { $s->send($d, 0, $p) }
                """
            let bound = try await guest.run(
                "setsid perl -MIO::Socket::INET -e '\(echo)' >/tmp/echo 2>&1 </dev/null & "
                    + "until [ -s /tmp/echo ]; do sleep 0.1; done; cat /tmp/echo")
            #expect(bound.contains("bound"), "\(bound)")
            let other = Task { try await echoes(lab, to: 3) }
            let answers = try await echoes(lab, to: 2)
            let others = try await other.value
            #expect(answers == "1 True\n1400 True\n60000 True\n" && others == answers, "\(answers) \(others)")
            #expect(try await guest.read(EndToEndLab.address(3), 9003) == "reached-lan")
            #expect(try await guest.read(EndToEndLab.address(1), 9002) == "reached-node")
            #expect(try await guest.read("10.0.2.2", 9001) == "reached-loopback", "the documentation says otherwise")
            let loaded = try await lab.run(1, ["nft", "-D", "user=0", "-f", rules])
            #expect(loaded.status == 0, "\(loaded.errors)")
            #expect(try await guest.read("10.0.2.2", 9001) == "")
            #expect(try await guest.read(EndToEndLab.address(3), 9003) == "reached-lan")
        }
    }

    @Test("QEMU filters its system calls, scratch files are the node's alone, and only the configured address forwards")
    func emulatorConfinement() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let forwards = { @Sendable (lab: EndToEndLab) async throws -> [String] in
            try await lab.run(1, ["ss", "-ltnH"]).output.split(separator: "\n").compactMap { line in
                line.split(separator: " ").dropFirst(3).first.map(String.init)
            }.filter { $0.hasSuffix(":2222") }
        }
        try await withGuest(node: [:]) { lab, _ in
            #expect(try await forwards(lab) == ["\(EndToEndLab.address(1)):2222"])
            let work = chain.home.appending("hypervisor/node/work")
            let names = try Directory.names(in: work)
            #expect(names.count == 1)
            let scratch = work.appending(try #require(names.first))
            for directory in [scratch, chain.home] {
                let rights = try #require(try FileStatus.of(directory)).permissions & 0o777
                #expect(rights == 0o700, "\(directory)")
            }
            let listed = try await Tool.run("ps", ["-eo", "pid,args"])
            let line = try #require(
                listed.output.split(separator: "\n").first {
                    $0.contains("qemu-system") && $0.contains(scratch.string)
                })
            #expect(line.contains("-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"))
            #expect(line.contains("restrict=on"))
            let pid = try #require(line.split(separator: " ").first)
            let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            #expect(status.contains("Seccomp:\t2\n") && status.contains("NoNewPrivs:\t1\n"))
        }
        try await withGuest(node: ["CLOUDLET_GUEST_FORWARD_ADDRESS": "127.0.0.1"]) { lab, guest in
            #expect(try await forwards(lab) == ["127.0.0.1:2222"])
            #expect(try await guest.run("id -u", from: 2) == "", "the forward is reached from the LAN")
            let inside = try await guest.run("id -u", from: 1, address: "127.0.0.1")
            #expect(inside.hasPrefix("0"))
        }
    }
}
