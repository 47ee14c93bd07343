// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import Synchronization
import SystemPackage
import Testing

/// VMs that are booted because their states can't be resumed here.
extension EndToEndTests {
    /// A state directory whose only base VM says that it was saved under KVM.
    private struct OtherHost: Sendable {
        let scratch: ScratchDirectory
        let home: FilePath
        let disk: FilePath
        let environment: [String: String]
        private let base: BaseVM

        init(_ chain: EndToEndFixture.Chain) async throws {
            scratch = try ScratchDirectory()
            home = scratch.file("home")
            disk = scratch.file("kvm.raw")
            environment = [
                "CLOUDLET_HOME": home.string, "CLOUDLET_STANDBY_MACHINES": "0", "CLOUDLET_LOG_FORMAT": "text",
                "CLOUDLET_HYPERVISOR_ACCELERATOR": "tcg",
            ]
            let own = try #require(try Registry(CloudletHome(chain.home).database).bases().first)
            var entry = BaseVM(
                files: BaseFiles(disk: disk), hash: own.hash, memoryHash: own.memoryHash, diskBytes: own.diskBytes,
                diskModified: 1, memoryBytes: own.memoryBytes, accelerator: "kvm", created: own.created)
            func files(_ base: BaseFiles) -> [FilePath] {
                [base.disk, base.diskHashes, base.memory, base.memoryHashes, base.memoryIndex]
            }
            for (from, to) in zip(files(own.files), files(entry.files)) {
                let copied = try await Tool.run("cp", ["--sparse=always", from.string, to.string])
                #expect(copied.status == 0, "\(copied)")
            }
            try File.setPermissions(0o600, of: entry.files.memory)
            let memory = try File(entry.files.memory, .readWrite)
            let area = try memory.read(SnapshotLayout.descriptionArea, at: own.memoryBytes)
            let word = try #require(area.firstRange(of: Array("\"tcg\"".utf8)))
            try memory.write(Array("\"kvm\"".utf8), at: own.memoryBytes + word.lowerBound)
            entry.seen = BaseStamp(disk: try File(disk, .read).status(), memory: try memory.status())
            base = entry
            try Directory.createPrivate(home)
        }

        /// Registers the base VM.
        func register() throws { try Registry(CloudletHome(home).database).add(base) }

        /// Arguments and environment of a client.
        func find(_ chain: EndToEndFixture.Chain, _ options: [String]) -> ([String], [String: String]) {
            let arguments = [
                Program.path("cloudlet-find"), "--protocol", "ssdp", "--timeout", "5", "--overlay",
                chain.overlay.string,
            ]
            return (arguments + options, ["CLOUDLET_HOME": scratch.file("client").string])
        }
    }

    @Test("an overlay whose state can't be resumed boots into its application where the client allows it")
    func bootedOverlay() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let other = try await OtherHost(chain)
        try await EndToEndLab.with(hosts: 2) { lab in
            let node = [Program.path("cloudlet-node")]
            let log = other.scratch.file("log")
            _ = try await lab.with(1, node, environment: other.environment, log: log) { node in
                try await node.waitFor("node is ready")
                let web = "http://\(EndToEndLab.address(1)):8022"
                try other.register()
                try await until(10, "the base VM is not announced") {
                    let status = try await lab.run(1, ["curl", "-s", "\(web)/v1/node"]).output
                    let (bases, bootable) = try announced(status)
                    #expect(bases.isEmpty, "\(status)")
                    return bootable == [chain.baseHashes["guest.raw"]?.hex]
                }
                func find(_ options: [String]) async throws -> Tool.Result {
                    let launch = Repository.root.appending("Scripts/guest/face-client").string
                    let (arguments, environment) = other.find(chain, ["--launch", launch] + options)
                    return try await lab.run(2, arguments, environment: environment)
                }
                let refused = try await find([])
                #expect(refused.status == 69 && refused.errors.contains("made under kvm"), "\(refused)")
                #expect(refused.errors.components("--allow-boot") == 2, "\(refused)")
                let booted = try await find(["--allow-boot"])
                #expect(booted.status == 0, "\(booted)\n\(node.output)")
                #expect(booted.errors.contains("was booted from its disk, because"), "\(booted)")
                #expect(booted.errors.contains("the accelerator is tcg instead of kvm"), "\(booted)")
                // The disk of the overlay, but another run of the application.
                let answer = try FaceAnswer(in: booted.output)
                #expect(answer.disk == chain.before.disk && answer.tmpfs == nil, "\(answer)")
                #expect(answer.token != chain.before.token, "\(answer)")
                let figures = try await lab.run(1, ["curl", "-s", "\(web)/metrics"]).output
                #expect(figures.contains("cloudlet_boots_total 1"), "\(figures)")
                #expect(node.output.components("was booted from its disk, because") == 1, "\(node.output)")
                #expect(node.output.contains("reason=\"the VM was made under kvm"), "\(node.output)")
                try await requireNothingLeft(in: other.home)
            }
        }
        let listed = try await Program.cloudlet(
            ["list-session", "--all", "--format", "json"], environment: other.environment)
        #expect(listed.output.components("\"boot_reason\"") == 1, "\(listed)")
        #expect(try chain.hashesNow() == chain.baseHashes)
    }

    @Test("a VM that was booted goes on when its node is killed, and leaves nothing when its client was killed too")
    func keptBootedVM() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let other = try await OtherHost(chain)
        try other.register()
        let settings = ["CLOUDLET_SESSION_KEEP_VMS": "true"]
        let environment = other.environment.merging(settings) { $1 }
        let node = [Program.path("cloudlet-node")]
        let answer = ["curl", "-s", "-m", "10", "http://\(EndToEndLab.address(1)):9876/"]
        try await EndToEndLab.with(hosts: 2) { lab in
            let first = Mutex<FaceAnswer?>(nil)
            let log = other.scratch.file("log-1")
            _ = try await lab.with(1, node, environment: environment, log: log) { node in
                try await node.waitFor("node is ready")
                let (arguments, client) = other.find(chain, ["--allow-boot", "--hold", "--format", "json"])
                let log = other.scratch.file("held")
                _ = try await lab.with(2, arguments, environment: client, log: log) { program in
                    try await program.waitFor("\"booted\" : true", seconds: 120)
                    try await program.waitFor("\"boot_reason\" : \"the VM was made under kvm")
                    try await program.waitFor("\"boot_answered\" : true")
                    let told = try FaceAnswer(in: try await lab.run(2, answer).output)
                    first.withLock { $0 = told }
                    node.send(SIGKILL)
                    program.send(SIGKILL)
                }
            }
            let later = other.scratch.file("log-2")
            _ = try await lab.with(1, node, environment: environment, log: later) { node in
                try await node.waitFor("session continues")
                let told = try FaceAnswer(in: try await lab.run(2, answer).output)
                #expect(told.token == first.withLock { $0?.token }, "\(told)")
                let listed = try await Program.cloudlet(["list-session"], environment: environment)
                #expect(listed.output.contains("running (booted)"), "\(listed)")
                // Its client does not come again.
                let settings = try File(other.home.appending("cloudlet.yaml"), .create(permissions: 0o600))
                try settings.write(Array("session:\n  lease: 0\n".utf8), at: 0)
                node.send(SIGHUP)
                try await node.waitFor("session ended", seconds: 60)
                try await requireNothingLeft(in: other.home)
            }
        }
    }

    @Test("what a VM became that was booted is saved at its end as an overlay of the disk alone")
    func bootedResidue() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let other = try await OtherHost(chain)
        try other.register()
        let refused = try await Program.cloudlet(
            ["synthesis", other.disk.string, chain.overlay.string, "--accelerator", "tcg"],
            environment: other.environment)
        #expect(refused.status == 69 && refused.errors.contains("made under kvm"), "\(refused)")
        #expect(refused.errors.contains(", or let the VM boot from its disk with --allow-boot"), "\(refused)")
        let residue = other.scratch.file("later")
        let (answer, output) = try await answer(
            chain, chain.overlay, ["--allow-boot", "--residue", residue.string, "--accelerator", "tcg"],
            disk: other.disk, settings: other.environment)
        #expect(answer.disk == chain.before.disk && answer.token != chain.before.token, "\(answer)")
        #expect(output.contains("was booted from its disk, because"), "\(output)")
        let report = try await inspection(residue)
        #expect(report["memory_bytes"] as? Int == 0)
        #expect(report["forwards"] as? [String] == ["tcp:9876::9876"])
        let verified = try await Program.cloudlet(
            ["verify", residue.string, "--base", chain.disk.string], environment: chain.environment)
        #expect(verified.status == 0, "\(verified.errors)")
        try await requireNothingLeft(in: other.home)
        #expect(try chain.hashesNow() == chain.baseHashes)
    }
}
