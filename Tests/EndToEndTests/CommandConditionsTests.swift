// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

/// The programs under odd conditions: what they inherit, where their output goes, what is given for a file. No guest is run.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandConditionsTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private func shell(_ script: String) async throws -> Tool.Result {
        let path = Repository.programs.string + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")
        return try await Tool.run(
            "timeout", ["30", "bash", "-c", script],
            environment: ["CLOUDLET_HOME": scratch.file("home").string, "PATH": path])
    }

    @Test(
        "results that can't be written end a command with 74 and the reason; a reader that has enough ends it well",
        arguments: [
            ("cloudlet config >/dev/full", 74), ("cloudlet list-base --format json >/dev/full", 74),
            ("cloudlet --help >/dev/full", 74), ("cloudlet-find --version >/dev/full", 74),
            ("cloudlet config >&-", 74), ("cloudlet config | head -n 1; exit ${PIPESTATUS[0]}", 0),
            ("cloudlet --help 2>&-", 0),
        ])
    func output(script: String, status: Int32) async throws {
        let result = try await shell(script)
        #expect(result.status == status, "\(result)")
        if status == 74 { #expect(result.errors.contains("can't be written to standard output"), "\(result)") }
    }

    @Test(
        "a pipe, a socket or a device in place of a file is refused at once",
        arguments: ["pipe", "socket", "/dev/zero"])
    func noFiles(name: String) async throws {
        try #require(unsafe mkfifo(scratch.file("pipe").string, 0o600) == 0)
        let receiver = try #require(DatagramReceiver(at: scratch.file("socket").string))
        let path = name.hasPrefix("/") ? name : scratch.file(name).string
        for command in [
            "cloudlet base \(path) --until-port 22", "cloudlet add-base \(path)", "cloudlet inspect \(path)",
            "cloudlet verify \(path) --base \(path)", "cloudlet config --config \(path)",
            "cloudlet-node --config \(path)",
            "cloudlet-find --overlay \(path) --timeout 1",
        ] {
            let result = try await shell(command)
            #expect(![0, 124].contains(result.status), "\(command): \(result)")
            #expect(result.errors.contains("not a"), "\(command): \(result)")
        }
        withExtendedLifetime(receiver) {}
    }

    @Test(
        "a configuration file that says nothing, or not all, is none",
        arguments: [
            "", "# name: x\n", "---\n", "---\n# nothing\n...\n", "~\n", "name:\n", "http:\n#  port: 1\n",
            "log:\n  level:\n",
        ])
    func emptyConfiguration(text: String) async throws {
        try text.write(toFile: scratch.file("c.yaml").string, atomically: true, encoding: .utf8)
        let result = try await shell("cloudlet config --origin --config \(scratch.file("c.yaml"))")
        #expect(result.status == 0 && !result.output.contains("c.yaml"), "\(result)")
    }

    @Test(
        "a configuration file that is no list of settings, or has a wrong one, is refused with the reason",
        arguments: [
            ("- a\n", "contains a list"), ("hello\n", "contains a text"), ("nmae:\n", "unknown key 'nmae'"),
            ("guest:\n  forward-address: localhost\n", "an IPv4 address"),
            ("guest:\n  forward-address: '::1'\n", "an IPv4 address"),
            ("name: [a, b]\n", "has a list for name, which takes one value"),
            ("http:\n  port: [1]\n", "has a list for http.port"), ("listen: 8021\n", "from /"),
            ("listen: [127.0.0.1:99999]\n", "is not a valid value for listen"),
        ])
    func wrongConfiguration(text: String, reason: String) async throws {
        try text.write(toFile: scratch.file("c.yaml").string, atomically: true, encoding: .utf8)
        let result = try await shell("cloudlet config --config \(scratch.file("c.yaml"))")
        #expect(result.status == 78 && result.errors.contains(reason), "\(result)")
    }

    @Test("a configuration file of which only a part would be read is refused")
    func largeConfiguration() async throws {
        let text = String(repeating: "#xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", count: 1 << 15) + "nmae: a\n"
        try text.write(toFile: scratch.file("c.yaml").string, atomically: true, encoding: .utf8)
        let result = try await shell("cloudlet config --config \(scratch.file("c.yaml"))")
        #expect(result.status == 78 && result.errors.contains("larger than"), "\(result)")
    }

    @Test("an address that can't be forwarded from is refused before anything is done, with the right cause")
    func forwardAddress() async throws {
        for (address, reason) in [
            ("::1", "IPv6"), ("localhost", "not an IPv4"), ("''", "empty"), ("192.0.2.7", "no interface"),
        ] {
            let result = try await shell("cloudlet synthesis none none --forward-address \(address)")
            #expect([64, 69].contains(result.status) && result.errors.contains(reason), "\(result)")
        }
    }

    @Test(
        "a program that may open next to no files says so",
        arguments: [
            "ulimit -n 12; cloudlet list-base", "ulimit -n 12; cloudlet-node --interface none",
            "ulimit -n 70; for n in {10..60}; do eval \"exec $n</dev/null\"; done; cloudlet config",
        ])
    func descriptors(script: String) async throws {
        let result = try await shell(script)
        #expect(result.status == 75 && result.errors.contains("raise the limit of open files"), "\(result)")
    }

    @Test("ignored SIGCHLD and blocked signals of the program that starts it don't keep a command from running guests")
    func inherited() async throws {
        let launcher = """
            import os, signal, sys
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
            os.execvp(sys.argv[1], sys.argv[1:])
            """
        let result = try await Tool.run(
            "timeout", ["60", "python3", "-c", launcher, Program.path("cloudlet"), "doctor", "--format", "json"],
            environment: ["CLOUDLET_HOME": scratch.file("home").string])
        struct Finding: Decodable {
            let check: String
            let state: String
        }
        let findings = try JSONDecoder().decode([Finding].self, from: Data(result.output.utf8))
        for check in ["qemu", "libvirt"] {
            #expect(findings.first { $0.check == check }?.state == "ok", "\(result)")
        }
    }
}
