// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCore
import Testing

@testable import CloudletCommands

extension CommandTests {
    /// Names of commands, their help, and wrong command lines.
    @Suite struct CommandTreeTests {
        private let home: Home
        init() throws { home = try Home() }

        @Test("the former names of commands are accepted")
        func aliases() throws {
            for word in ["list_base", "list_vm", "list_session"] {
                #expect(throws: Never.self) { try CloudletCommand.parseAsRoot([word]) }
            }
            for word in ["add_base", "del_base", "stop_vm", "stop_session"] {
                #expect(throws: Never.self) { try CloudletCommand.parseAsRoot([word, "x"]) }
            }
        }

        @Test("help is printed as a result, states the purpose of the command, and explains each option")
        func help() async {
            let all = await home.run("--help")
            #expect(all.status == 0 && all.errors.isEmpty)
            for command in CloudletCommand.configuration.subcommands {
                let name = command.configuration.commandName ?? ""
                #expect(all.output.contains("  \(name)"), "\(name)")
                let help = await home.run(name, "--help")
                #expect(help.status == 0 && help.errors.isEmpty, "\(name)")
                // Long lines are wrapped.
                let words = help.output.split { $0.isWhitespace }.joined(separator: " ")
                #expect(words.contains("OVERVIEW: \(command.configuration.abstract)"), "\(help.output)")
                let bare = help.output.split(separator: "\n").filter {
                    $0.hasPrefix("  --")
                        && $0.split(separator: " ").allSatisfy { $0.hasPrefix("-") || $0.hasPrefix("<") }
                        && $0.utf8.count < 24
                }
                #expect(bare.isEmpty, "without a word of help: \(bare)")
            }
            let version = await home.run("--version")
            #expect(version.status == 0 && version.output == ProgramVersion.text + "\n")
        }

        @Test(
            "a wrong command line ends with status 64 and a reason on standard error",
            arguments: [
                (["nonsense"], "Unexpected argument"),
                (["list-base", "--format", "xml"], "--format"),
                (["list-session", "extra"], "Unexpected argument"),
                (["stop-session"], "Missing expected argument"),
                (["stop-session", "12x"], "'12x' is not a session number"),
                (["stop-session", "--", "-1"], "'-1'"),
                (["add-base", "/d", "123"], "'123'"),
                (["synthesis", "d", "m", "--detach", "--residue", "r"], "--detach does not wait"),
                (["synthesis", "d", "m", "--forward-address", "everywhere"], "everywhere"),
                (["overlay", "d", "--no-closing-step", "--ssh-key", "k"], "contradicts"),
                (["overlay", "d", "--ready-port", "65536"], "65536"),
                (["overlay", "d", "--compression", "gzip"], "gzip"),
                (["overlay", "d", "--blob-size", "0"], "0"),
                (["base", "d", "--disk-bus", "scsi"], "scsi"),
                (["base", "d", "--accelerator", "hax"], "hax"),
                (["verify", "m"], "--base"),
            ])
        func mistakes(arguments: [String], reason: String) async {
            let result = await home.run(arguments)
            #expect(result.status == 64, "\(result)")
            #expect(result.output.isEmpty && result.errors.contains(reason), "\(result.errors)")
        }

        @Test(
            "files and VMs that don't exist end a command with status 66",
            arguments: [
                ["add-base", "/nonexistent/d.raw"], ["del-base", "/nonexistent/d.raw"],
                ["inspect", "/nonexistent/overlay"],
                ["verify", "/nonexistent/overlay", "--base", "/nonexistent/d.raw"],
                ["synthesis", "/nonexistent/d.raw", "/nonexistent/overlay"], ["overlay", "/nonexistent/d.raw"],
                ["base", "/nonexistent/d.raw", "--until-port", "22"], ["stop-vm", "vm-1"],
            ])
        func missing(arguments: [String]) async throws {
            let result = await home.run(arguments)
            #expect(result.status == 66 && result.output.isEmpty, "\(result)")
            #expect(result.errors.hasPrefix("error: ") && result.errors.split(separator: "\n").count == 1)
        }
    }
}
