// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletCommands

extension CommandTests {
    /// Bad input, which each command refuses with a reason before it does any work.
    @Suite struct BadInputTests {
        private let home: Home

        init() throws {
            home = try Home()
            try Directory.create(home.scratch.file("empty"))
            try Directory.create(home.scratch.file("full"))
            _ = try home.scratch.write("full/file", [1])
        }

        /// Runs a command in whose arguments `@` is the directory of the test.
        private func run(_ arguments: [String]) async -> Home.Result {
            await home.run(arguments.map { $0.replacing("@", with: home.scratch.path.string) })
        }

        /// Requires that a command is refused with this status and word, and changes no file.
        private func requireRefusal(_ arguments: [String], _ status: Int32, _ word: String) async throws {
            let files = try self.files()
            let result = await run(arguments)
            #expect(result.status == status && result.output.isEmpty, "\(result)")
            #expect(result.errors.hasPrefix("error: ") || status == 64, "\(result.errors)")
            #expect(result.errors.contains(word.replacing("@", with: home.scratch.path.string)), "\(result.errors)")
            #expect(try self.files() == files)
        }

        /// The files of the test outside its home, with the times of their last changes.
        private func files() throws -> [String] {
            try ["", "empty", "full"].flatMap { (name) throws(CloudletError) in
                let directory = name.isEmpty ? home.scratch.path : home.scratch.file(name)
                return try Directory.names(in: directory).map { (file) throws(CloudletError) in
                    "\(name)/\(file) \(String(describing: try FileStatus.of(directory.appending(file))?.modified))"
                }
            }
            .filter { !$0.hasPrefix("/home ") }.sorted()
        }

        @Test(
            "a base VM is not made with bad options",
            arguments: [
                (["--memory", "8"], 64, "16 MiB to 1 TiB"), (["--cpus", "0"], 64, "1 to 255"),
                (["--cpu-model", "host"], 64, "'host'"), (["--machine", "pc q35"], 64, "'pc q35'"),
                (["@/other.raw"], 64, "second disk"),
                (["--provision", "/nonexistent"], 66, "/nonexistent"),
                (["--provision", "@/full/file"], 66, "chmod +x"),
                (["--viewer", "/nonexistent"], 66, "/nonexistent"), (["--", "-nographic"], 64, "'-nographic'"),
                (["--", "-redir", "tcp:1"], 64, "tcp:1"),
            ])
        func baseOptions(options: [String], status: Int32, word: String) async throws {
            try FileSystem.remove(try home.makeBase().memory)
            try await requireRefusal(["base", "@/guest.raw", "--until-port", "22"] + options, status, word)
        }

        @Test("a base VM is not made of a file that is not a new, bootable raw disk")
        func baseDisk() async throws {
            _ = try home.makeBase()
            for (disk, status, word) in [
                ("@/full", 65, "@/full"), ("@/full/file", 65, "@/full/file"), ("@/guest.raw", 73, "guest.base-mem"),
            ] {
                try await requireRefusal(["base", disk, "--until-port", "22"], Int32(status), word)
            }
            #expect(await run(["add-base", "@/guest.raw"]).status == 0)
            try await requireRefusal(["base", "@/guest.raw", "--until-port", "22"], 73, "del-base")
        }

        @Test("no disk is made from an image where the base VM would not fit")
        func noRoom() async throws {
            _ = try home.makeBase("new.raw")
            let script = "cd \(home.scratch.path) && gzip new.raw && rm new.*m*"
            #expect(try await Tool.run("sh", ["-ec", script]).status == 0)
            try await requireRefusal(
                ["base", "@/new.raw.gz", "--until-port", "22", "--memory", "1024GiB"], 74, "of free space")
        }

        @Test(
            "an overlay is not begun with bad options",
            arguments: [
                (["--output", "@/full"], 73, "@/full"), (["--package", "@/full/file"], 73, "--package"),
                (["--package", "@/absent/file"], 66, "@/absent"), (["--kept", "@/empty"], 66, "@/empty"),
                (["--level", "10"], 64, "0 to 9"), (["--compression", "zstd", "--level", "20"], 64, "1 to 19"),
                (["--blob-size", "2G"], 64, "64K to 1G"), (["--long", "27"], 64, "16 to 26"),
                (["--ssh-key", "@/absent"], 66, "@/absent"), (["--ssh-key", "@/full"], 65, "not a regular file"),
                (["--closing-step", "/nonexistent"], 66, "/nonexistent"),
                (["--provision", "/nonexistent"], 66, "/nonexistent"),
                (["--viewer", "/nonexistent"], 66, "/nonexistent"),
                (["--", "-redir", "tcp:80::1", "-redir", "tcp:80::2"], 64, "twice"),
            ])
        func overlayOptions(options: [String], status: Int32, word: String) async throws {
            _ = try home.makeBase()
            #expect(await run(["add-base", "@/guest.raw"]).status == 0)
            let output = options.contains("--output") ? [] : ["--output", "@/new"]
            try await requireRefusal(
                ["overlay", "@/guest.raw", "--until-port", "22"] + output + options, status, word)
        }

        @Test("a disk that is not registered is refused with the command that applies to it")
        func unregistered() async throws {
            let files = try home.makeBase()
            let disk = files.disk.string
            for command in [["overlay", disk], ["synthesis", disk, "@/full"]] {
                try await requireRefusal(
                    command, 66, "to register it, run: " + Shell.command("cloudlet", "add-base", disk))
            }
            try FileSystem.remove(files.memory)
            for command in [["overlay", disk], ["synthesis", disk, "@/full"]] {
                try await requireRefusal(command, 66, "run: " + Shell.command("cloudlet", "base", disk))
            }
        }

        @Test("an overlay that is missing, damaged or of another base VM is not synthesized and not verified")
        func overlays() async throws {
            _ = try home.makeBase()
            #expect(await run(["add-base", "@/guest.raw"]).status == 0)
            _ = try await home.makeOverlay("face")
            _ = try home.scratch.write("full/o.overlay-meta", [0xC1])
            for (overlay, status, word) in [
                ("@/absent", 66, "@/absent"), ("@/empty", 65, "@/empty"), ("@/full", 65, "o.overlay-meta"),
                ("@/full/file", 65, "@/full/file"), ("@/face", 65, "base VM"),
            ] {
                try await requireRefusal(["synthesis", "@/guest.raw", overlay], Int32(status), word)
                try await requireRefusal(["verify", overlay, "--base", "@/guest.raw"], Int32(status), word)
                if overlay != "@/face" { try await requireRefusal(["inspect", overlay], Int32(status), word) }
            }
            try await requireRefusal(["verify", "@/face", "--base", "@/full/file"], 66, "file.base-mem")
            try await requireRefusal(
                ["synthesis", "@/guest.raw", "@/face", "--forward-address", "192.0.2.77"], 69, "192.0.2.77")
        }

        @Test("only a name of a VM that exists is ended", arguments: ["vm-1", "../home", "", "/"])
        func machine(name: String) async throws {
            let result = await run(["stop-vm", name])
            #expect(result.status == 66 && result.errors.hasPrefix("error: "), "\(result)")
            let list = await run(["list-vm"])
            #expect(list.status == 0 && list.rows == ["NAME PROCESS FORWARDS"])
        }
    }
}
