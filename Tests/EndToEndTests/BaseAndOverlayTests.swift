// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

extension EndToEndTests {
    @Test("a base VM has the original's files, is write-protected and registered")
    func baseFiles() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let names = try Directory.names(in: chain.directory)
        for suffix in ["raw", "base-img-meta", "base-mem", "base-mem-meta", "base-hash", "base-seal"] {
            #expect(names.contains("guest.\(suffix)"))
            let status = try #require(try FileStatus.of(chain.directory.appending("guest.\(suffix)")))
            #expect(status.permissions & 0o222 == 0, "guest.\(suffix) can be written to")
        }
        let hashFile = try File(chain.directory.appending("guest.base-hash"), .read).read(100, at: 0)
        let hash = String(decoding: hashFile, as: UTF8.self)
        #expect(hash.utf8.count == 65 && hash.hasSuffix("\n"))
        #expect(chain.baseHashes["guest.raw"]?.hex == String(hash.dropLast()))
        let memory = try File(chain.directory.appending("guest.base-mem"), .read)
        let list = try File(chain.directory.appending("guest.base-mem-meta"), .read)
        #expect(try list.size() == Page.count(covering: try memory.size()) * 44)
        #expect(try memory.status().allocated < 200 << 20)
        #expect(chain.baseOutput.contains("Base VM is created from \(chain.disk)"))

        for name in ["list-base", "list_base"] {
            let listed = try await Program.cloudlet([name], environment: chain.environment)
            #expect(listed.output.contains(String(hash.dropLast())) && listed.output.contains(chain.disk.string))
        }
        let json = try await Program.cloudlet(["list-base", "--format", "json"], environment: chain.environment)
        let entries = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
        #expect(entries.count == 1 && entries[0]["hash"] as? String == String(hash.dropLast()))
        #expect(entries[0]["state"] as? String == "ok")

        let again = try await Program.cloudlet(
            ["base", chain.disk.string, "--until-port", "22"], environment: chain.environment)
        #expect(again.status == 73 && again.errors.contains("is a base VM already"))
    }

    @Test(
        "a copied base VM is registered by its manifest; one that differs is refused; a hash is checked without the manifest"
    )
    func copiedBase() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let environment = ["CLOUDLET_HOME": scratch.file("home").string]
        let disk = scratch.file("guest.raw").string
        let hash = try #require(chain.baseHashes["guest.raw"]?.hex)
        let copied = try await Tool.run(
            "sh", ["-c", "cp --sparse=always '\(chain.directory)'/guest.* '\(scratch.path)'"])
        #expect(copied.status == 0, "\(copied.errors)")
        func add(_ more: String...) async throws -> Tool.Result {
            _ = try await Program.cloudlet(["del-base", disk], environment: environment)
            return try await Program.cloudlet(["add-base", disk] + more, environment: environment)
        }
        let registered = try await add()
        #expect(registered.status == 0 && registered.output.contains(hash), "\(registered.errors)")
        // A bit where the disk had none.
        let file = try File(FilePath(disk), .readWrite)
        try file.setPermissions(0o644)
        let place = try file.size() - 100_000
        try file.write([1], at: place)
        let damaged = try await add()
        #expect(damaged.status != 0 && damaged.errors.contains("guest.raw does not match"), "\(damaged.errors)")
        let listed = try await Program.cloudlet(["list-base"], environment: environment)
        #expect(!listed.output.contains(hash))
        let disproved = try await add(hash)
        #expect(disproved.status != 0 && disproved.errors.contains("not \(hash)"), "\(disproved.errors)")
        try file.write([0], at: place)
        let proved = try await add(hash)
        #expect(proved.status == 0, "\(proved.errors)")
        try FileSystem.remove(scratch.file("guest.base-mem-index"))
        let incomplete = try await add()
        #expect(incomplete.status != 0 && incomplete.errors.contains("guest.base-mem-index"), "\(incomplete.errors)")
    }

    @Test("an overlay is one meta and blobs, and the base is untouched by making it")
    func overlayFiles() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let names = try Directory.names(in: chain.overlay)
        #expect(names.filter { $0.hasSuffix(".overlay-meta") } == ["face.overlay-meta"])
        #expect(
            names.count > 1 && names.dropFirst().allSatisfy { $0.hasPrefix("face.overlay_") && $0.hasSuffix(".xz") })
        #expect(try chain.hashesNow() == chain.baseHashes)
        #expect(chain.overlayOutput.contains("Forward: tcp:9876::9876"))
        // Resumed, not booted: the guest goes on where the base was saved.
        #expect(chain.overlayOutput.contains("load state") && !chain.overlayOutput.contains("boot"))
    }

    @Test("synthesis on this machine continues the application; Ctrl-C ends it and leaves nothing")
    func localSynthesis() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let log = chain.directory.appending("synthesis-\(UInt32.random(in: 0 ... .max)).log")
        let meta = chain.overlay.appending("face.overlay-meta")
        let (answer, status) = try await Tool.with(
            Program.path("cloudlet"), ["synthesis", chain.disk.string, meta.string],
            environment: chain.environment, log: log
        ) { program in
            try await program.waitFor("Ctrl-C ends the VM")
            #expect(program.output.contains("tcp 127.0.0.1:9876 -> 9876"))
            let answer = try await Tool.run("curl", ["-s", "-m", "10", "http://127.0.0.1:9876/"])
            program.send(SIGINT)
            return try FaceAnswer(in: answer.output)
        }
        #expect(status == 0)
        #expect(answer.continues(chain.before), "before \(chain.before), after \(answer)")
        try await requireNothingLeft(chain)
        #expect(try chain.hashesNow() == chain.baseHashes)
    }

    @Test("a detached VM goes on without its program, is listed, survives other commands, and ends when told")
    func detached() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let started = try await Program.cloudlet(
            ["synthesis", chain.disk.string, chain.overlay.string, "--detach"], environment: chain.environment)
        #expect(started.status == 0, "\(started.errors)")
        let first = try await Program.cloudlet(["list-vm", "--format", "json"], environment: chain.environment)
        let list = try #require(try JSONSerialization.jsonObject(with: Data(first.output.utf8)) as? [[String: Any]])
        let name = try #require(list.first?["name"] as? String)
        #expect(list.count == 1)
        // The next holder of the hypervisor's directory leaves it alone; its port is taken.
        let second = try await Program.cloudlet(
            ["synthesis", chain.disk.string, chain.overlay.string, "--detach"], environment: chain.environment)
        #expect(second.status == 75 && second.errors.contains("is taken"), "\(second.errors)")
        #expect(!second.errors.contains("-redir") && second.errors.contains("--forward-address"), "\(second.errors)")
        let answer = try await Tool.run("curl", ["-s", "-m", "10", "http://127.0.0.1:9876/"])
        #expect(try FaceAnswer(in: answer.output).continues(chain.before))
        let stopped = try await Program.cloudlet(["stop-vm", name], environment: chain.environment)
        #expect(stopped.status == 0, "\(stopped.errors)")
        try await requireNothingLeft(chain)
        let unknown = try await Program.cloudlet(["stop-vm", name], environment: chain.environment)
        #expect(unknown.status == 66, "\(unknown.errors)")
    }

    @Test("Enter says that the work is done; a VM that nobody can say it of is not started")
    func enter() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let output = chain.directory.appending("by-enter")
        let arguments = ["overlay", chain.disk.string, "--viewer", "none", "-o"]
        let result = try await Program.cloudlet(
            arguments + [output.string, "--package", "\(output).zip"], environment: chain.environment, input: "\n")
        #expect(result.status == 0 && result.errors.contains("Press Enter"), "\(result.errors)")
        #expect(result.output.contains("Package: \(output).zip"), "\(result.output)")
        let verified = try await Program.cloudlet(
            ["verify", "\(output).zip", "--base", chain.disk.string], environment: chain.environment)
        #expect(verified.status == 0 && verified.output.contains("Overlay is valid"), "\(verified.errors)")
        #expect(try Directory.names(in: output).contains { $0.hasSuffix(".overlay-meta") })
        let silent = try await Tool.run(
            "sh", ["-c", "exec \"$@\" < /dev/null", "sh", Program.path("cloudlet")] + arguments + ["\(output)-not"],
            environment: chain.environment)
        #expect(silent.status == 64 && silent.errors.contains("no way to tell"), "\(silent.errors)")
        try await requireNothingLeft(chain)
    }

    @Test("closing the viewer says that the work is done; the display is only on the loopback address")
    func viewer() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let viewer = scratch.file("viewer")
        // A viewer that looks at the display's first words and closes.
        let script = """
            #!/bin/bash
            port=${1##*:}
            [ "$port" -lt 5900 ] && port=$((port + 5900))
            exec 3<>"/dev/tcp/127.0.0.1/$port" && head -c 4 <&3 > "$0.saw"
            """
        try File(viewer, .create(permissions: 0o755)).write(Array(script.utf8), at: 0)
        let output = chain.directory.appending("by-viewer")
        let result = try await Program.cloudlet(
            ["overlay", chain.disk.string, "--viewer", viewer.string, "-o", output.string],
            environment: chain.environment)
        #expect(result.status == 0, "\(result.errors)")
        let saw = try File(scratch.file("viewer.saw"), .read).read(4, at: 0)
        #expect(String(decoding: saw, as: UTF8.self) == "RFB ")
        try await requireNothingLeft(chain)
    }

    @Test("a port that is taken is named, and nothing is left")
    func takenPort() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let listener = try #require(Listener())
        let result = try await Program.cloudlet(
            [
                "overlay", chain.disk.string, "-o", chain.directory.appending("never").string, "--until-port", "22",
                "--",
                "-redir", "tcp:\(listener.port)::80",
            ], environment: chain.environment)
        #expect(result.status == 75 && result.errors.contains("is taken by ") && result.errors.contains("-redir"))
        #expect(result.errors.contains(" (\(ProcessInfo.processInfo.processIdentifier))"), "\(result.errors)")
        #expect(try FileStatus.of(chain.directory.appending("never")) == nil)
        try await requireNothingLeft(chain)
    }

    @Test("an overlay on another base VM, or on one that was changed, is refused before anything is started")
    func wrongBase() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let other = scratch.file("copy")
        _ = try await Tool.run("cp", ["-r", "--sparse=always", chain.overlay.string, other.string])
        let meta = other.appending("face.overlay-meta")
        var bytes = try File(meta, .read).read(1 << 24, at: 0)
        let position = try #require(bytes.firstRange(of: Array("base_vm_sha256".utf8))).upperBound + 3
        bytes[position] = bytes[position] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
        try FileSystem.remove(meta)
        try File(meta, .create(permissions: 0o644)).write(bytes, at: 0)
        let result = try await Program.cloudlet(
            ["synthesis", chain.disk.string, meta.string], environment: chain.environment)
        #expect(result.status == 65 && result.errors.contains("the overlay needs base VM"))
        try await requireNothingLeft(chain)
    }

    /// No VM, no scratch file, no port of this chain is left.
    func requireNothingLeft(_ chain: EndToEndFixture.Chain) async throws {
        try await requireNothingLeft(in: chain.home)
    }

    /// No VM, no scratch file, no port of this state directory is left.
    func requireNothingLeft(in home: FilePath) async throws {
        let hypervisors = home.appending("hypervisor")
        func left() throws(CloudletError) -> [String] {
            var left: [String] = []
            for slot in try Directory.names(in: hypervisors) {
                left += try Directory.names(in: hypervisors.appending(slot).appending("work"))
            }
            return left
        }
        let gone = try await poll(every: .milliseconds(100), for: .seconds(60)) { () throws(CloudletError) in
            try left().isEmpty
        }
        let rest = try left()
        #expect(gone, "scratch files are left: \(rest)")
        let processes = try await Tool.run("ps", ["-eo", "args"])
        #expect(!processes.output.contains("\(hypervisors)"), "a VM is left")
    }
}

/// The whole chain with a real guest: base VM, overlay, discovery, transfer, synthesis, application.
@Suite(
    .serialized, .timeLimit(.minutes(10)),
    .enabled(if: EndToEndRequirements.missing.isEmpty, "needs \(EndToEndRequirements.missing.joined(separator: ", "))"))
struct EndToEndTests {}
