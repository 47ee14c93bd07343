// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

/// What users get wrong: one line, an exit status of the table, nothing left. No VM is started.
@Suite struct RefusalTests {
    let scratch: ScratchDirectory
    let environment: [String: String]

    init() throws {
        scratch = try ScratchDirectory()
        environment = ["CLOUDLET_HOME": scratch.file("home").string]
    }

    /// Arguments of `unshare` that start a node where there is nothing but loopback, for ten seconds at most.
    private func isolated(_ arguments: [String]) -> [String] {
        ["-n", "sh", "-c", "ip link set lo up; exec timeout 10 \"$@\"", "sh", Program.path("cloudlet-node")] + arguments
    }

    private func refusal(_ arguments: [String], program: String = "cloudlet") async throws -> (
        status: Int32, line: String
    ) {
        let result = try await Tool.run(Program.path(program), arguments, environment: environment)
        let lines = result.errors.split(whereSeparator: \.isNewline)
        #expect(lines.count == 1 || result.status == 64, "more than one line: \(result.errors)")
        #expect(result.output.isEmpty && result.status != 0)
        #expect(!result.errors.contains("Fatal") && !result.errors.contains("Optional("))
        return (result.status, result.errors)
    }

    @Test(
        "disks that are no raw disks",
        arguments: [
            ("x.qcow2", [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 9], "version 9 of qcow2"),
            ("x.bz2", Array("BZh".utf8), "bzip2 -dc"), ("x.vmdk", Array("# Disk Descriptor".utf8), "in other files"),
            ("x.raw", [1], "no boot sector"),
        ] as [(String, [UInt8], String)])
    func badDisks(name: String, magic: [UInt8], expected: String) async throws {
        _ = try scratch.write(name, magic + [UInt8](repeating: 0, count: 8192 - magic.count))
        let (status, line) = try await refusal(["base", scratch.file(name).string, "--until-port", "22"])
        #expect(status == 65 && line.contains(expected) && line.contains(name))
    }

    @Test("files and base VMs that are not there")
    func missing() async throws {
        for arguments in [
            ["base", "/none.raw", "--until-port", "22"], ["add-base", "/none.raw"],
            ["overlay", "/none.raw", "--until-port", "22"],
            ["synthesis", "/none.raw", "/none/meta"], ["del-base", "/none.raw"],
        ] {
            let (status, line) = try await refusal(arguments)
            #expect(status == 66 && line.contains("none"), "\(arguments): \(line)")
        }
        _ = try scratch.write("plain.raw", [UInt8](repeating: 0, count: 8192))
        let (status, line) = try await refusal(["overlay", scratch.file("plain.raw").string, "--until-port", "22"])
        #expect(status == 66 && line.contains("cloudlet base"))
    }

    @Test(
        "options that make no sense",
        arguments: [
            ["base", "X", "--memory", "3"], ["base", "X", "--cpus", "0"], ["base", "X", "--until-port", "99999"],
            ["base"], ["nonsense"],
            ["base", "X", "--until-port", "22", "--", "-redir", "nonsense"],
            ["base", "X", "--until-port", "22", "--", "-drive", "x"],
            ["base", "X", "--until-port", "22", "--", "-redir", "tcp:1::2", "-redir", "tcp:1::3"],
            ["base", "X", "--cpu-model", "host,x"], ["base", "X", "--cpu-model", "host"],
            ["base", "X", "--cpu-model", "max"],
            ["base", "X", "--viewer", "/no/such/viewer"], ["base", "X", "--provision", "/no/such/script"],
            ["base", "X", "--memory", "4GB"], ["base", "X", "--memory", "2000GiB"], ["base", "X", "X"],
            ["base", "X", "--machine", "q35", "--disk-bus", "ide"], ["base", "X", "--cloud-init", "/no/such/data"],
            ["base", "X", "--ssh-public-key", "X"], ["base", "X", "--firmware", "coreboot"],
        ])
    func badOptions(arguments: [String]) async throws {
        // A disk that passes all checks but is never booted.
        var disk = [UInt8](repeating: 0, count: 8192)
        disk[510] = 0x55
        disk[511] = 0xAA
        _ = try scratch.write("ok.raw", disk)
        let words = arguments.map { $0 == "X" ? scratch.file("ok.raw").string : $0 }
        let extra =
            words.contains("--until-port") || words.contains("--viewer") || words.contains("--provision")
            ? [] : ["--until-port", "22"]
        let (status, line) = try await refusal(words.count > 1 ? words + (words.contains("--") ? [] : extra) : words)
        #expect(status == 64 || status == 66, "\(status): \(line)")
        #expect(try Directory.names(in: scratch.path).allSatisfy { $0 == "home" || $0 == "ok.raw" })
    }

    @Test(
        "a CPU model that this host does not have is refused before anything is booted, which the error says",
        arguments: [("nonsense", "libvirt has no CPU model 'nonsense'"), ("Skylake-Server", "was not changed: QEMU's")])
    func badModels(model: String, reason: String) async throws {
        var disk = [UInt8](repeating: 0, count: 8192)
        disk[510] = 0x55
        disk[511] = 0xAA
        _ = try scratch.write("ok.raw", disk)
        let result = try await Program.cloudlet(
            [
                "base", scratch.file("ok.raw").string, "--until-port", "22", "--accelerator", "tcg", "--cpu-model",
                model,
            ], environment: environment)
        #expect(result.status == 69, "\(result.errors)")
        #expect(result.errors.contains(reason) && !result.errors.contains("booted"), "\(result.errors)")
        #expect(try File(scratch.file("ok.raw"), .read).read(9000, at: 0) == disk)
    }

    @Test("no way to tell when the work is done")
    func noEnd() async throws {
        var disk = [UInt8](repeating: 0, count: 8192)
        disk[510] = 0x55
        disk[511] = 0xAA
        _ = try scratch.write("ok.raw", disk)
        let result = try await Tool.run(
            "sh", ["-c", "'\(Program.path("cloudlet"))' base '\(scratch.file("ok.raw"))' </dev/null"],
            environment: environment)
        #expect(result.status == 64 && result.errors.contains("no way to tell"), "\(result.errors)")
    }

    @Test("overlay directories that are none are told before anything is searched")
    func overlays() async throws {
        for (name, expected) in [("none", "there is no overlay directory"), ("empty", "no overlay-meta")] {
            if name == "empty" { try Directory.create(scratch.file(name)) }
            let (status, line) = try await refusal(["--overlay", scratch.file(name).string], program: "cloudlet-find")
            #expect((status == 66 || status == 65) && line.contains(expected))
        }
        let (status, line) = try await refusal(["--hold"], program: "cloudlet-find")
        #expect(status == 64 && line.contains("--overlay"))
        for (host, reason) in [
            ("127.0.0.1%eth0", "no zone"), ("10.0.0.1%1:8022", "no zone"), ("[fe80::1]:8022", "needs its interface"),
            ("fe80::1%none7", "no interface none7"), ("node", "no IP address"),
        ] {
            let (status, line) = try await refusal(["--host", host], program: "cloudlet-find")
            #expect(status == 64 && line.contains(reason), "\(line)")
        }
    }

    @Test("nothing in what is listed steers the terminal or turns text around, whoever wrote it")
    func hostile() async throws {
        for arguments in [["config"], ["config", "--format", "json"]] {
            let result = try await Program.cloudlet(
                arguments,
                environment: environment.merging(["CLOUDLET_HYPERVISOR_CONNECT": "a\u{61C}\u{1B}[31m\u{9B}b\u{200D}c"])
                { $1 })
            #expect(result.status == 0 && result.output.unicodeScalars.contains("\u{200D}"), "\(result)")
            #expect(
                !result.output.unicodeScalars.contains { [0x61C, 0x1B, 0x9B].contains($0.value) }, "\(result.output)")
        }
    }

    @Test(
        "a node that can't start says why",
        arguments: [
            (["--listen", "nonsense"], 64, "is not a valid value for listen"),
            (["--listen", "127.0.0.1%eth0:8021"], 64, "an IPv4 address has no zone ('%eth0')"),
            (["--name", " \t\u{61C}"], 64, "it has no visible character"),
            (["--listen", "203.0.113.7:8021"], 66, "not an address of this host"),
            (["--upnp-engine", "x"], 64, "one of native"), (["--http-port", "0"], 64, "whole number"),
            (["--config", "/none.yaml"], 66, "none.yaml"),
            (["--connect", "nosuch:///x"], 69, "can't connect"),
        ] as [([String], Int32, String)])
    func nodes(arguments: [String], expectedStatus: Int32, expected: String) async throws {
        let result = try await Tool.run(
            "unshare", isolated(arguments), environment: environment)
        #expect(result.status == expectedStatus, "\(result.errors)")
        #expect(result.errors.contains(expected), "\(result.errors)")
    }

    @Test("the settings are listed with their origins: a variable wins over the file, the file over the default")
    func origins() async throws {
        let scratch = try ScratchDirectory()
        let file = try scratch.write("node.yaml", Array("session:\n  lease: 77\n  comeback: 66\n".utf8)).path
        let environment = ["CLOUDLET_HOME": scratch.path.string, "CLOUDLET_SESSION_LEASE": "88"]
        let result = try await Program.cloudlet(
            ["config", "--origin", "--config", file.string], environment: environment)
        #expect(result.status == 0, "\(result.errors)")
        let rows = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        func row(_ key: String) -> String? { rows.first { $0.first == key }?.dropFirst().joined(separator: " ") }
        #expect(row("session.lease") == "88 environment CLOUDLET_SESSION_LEASE", "\(result.output)")
        #expect(row("session.comeback") == "66 \(file)")
        #expect(row("standby.machines") == "1 default")
    }

    @Test("a configuration file with an unknown key or value is refused with the key's name")
    func configuration() async throws {
        for (text, expected) in [
            ("upnp:\n  engin: native\n", "upnp.engin"), ("http:\n  port: many\n", "http.port"),
            ("a: [", "is not valid YAML"),
        ] {
            let name = "c\(text.count).yaml"
            _ = try scratch.write(name, Array(text.utf8))
            let result = try await Tool.run(
                "unshare", isolated(["--config", scratch.file(name).string]),
                environment: environment)
            #expect(result.status == 78 && result.errors.contains(expected), "\(result.errors)")
        }
        let result = try await Tool.run(
            "unshare", isolated([]),
            environment: environment.merging(["CLOUDLET_UPNP_ENGINE": "x"]) { $1 })
        #expect(result.status == 78 && result.errors.contains("environment CLOUDLET_UPNP_ENGINE"), "\(result.errors)")
    }
}
