import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

/// Base VMs that were made on hosts of another kind.
extension EndToEndTests {
    /// An entry for a base VM with the disk `name`.
    private func base(_ name: FilePath, like other: BaseVM, memoryHash: SHA256Digest, accelerator: String) throws
        -> BaseVM
    {
        BaseVM(
            files: BaseFiles(disk: name), hash: SHA256Digest(hashing: Array(name.string.utf8).span),
            memoryHash: memoryHash, diskBytes: other.diskBytes, diskModified: 1, memoryBytes: other.memoryBytes,
            accelerator: accelerator, created: other.created + 10)
    }

    /// The base VMs of a status document: those that can be resumed, and those that can only boot.
    private func announced(_ status: String) throws -> (bases: [String], bootable: [String]) {
        let document = try #require(try JSONSerialization.jsonObject(with: Data(status.utf8)) as? [String: Any])
        func hashes(_ key: String) -> [String] {
            (document[key] as? [[String: Any]] ?? []).compactMap { $0["hash"] as? String }
        }
        return (hashes("bases"), hashes("bootable_bases"))
    }

    @Test("base VMs that a node can't resume are announced apart or not at all, and reported; the others get warm VMs")
    func unsupportedBases() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let registry = try Registry(CloudletHome(chain.home).database)
        let own = try #require(try registry.bases().first)

        // An overlay of a base VM with a CPU that QEMU can't emulate.
        let overlay = scratch.file("overlay")
        let copied = try await Tool.run("cp", ["-a", chain.overlay.string, overlay.string])
        #expect(copied.status == 0, "\(copied)")
        let name = try #require(try Directory.names(in: overlay).first { $0.hasSuffix(".overlay-meta") })
        let metaFile = try File(overlay.appending(name), .readWrite)
        let original = try metaFile.read(try metaFile.size(), at: 0)
        var meta = try OverlayMeta(reading: original.span)
        var entry = try base(
            scratch.file("skylake.raw"), like: own, memoryHash: try #require(meta.baseMemoryHash), accelerator: "tcg")
        meta.baseHash = entry.hash
        let bytes = meta.encoded()
        try metaFile.resize(to: 0)
        try metaFile.write(bytes, at: 0)
        var machine = try SnapshotFile(try File(own.files.memory, .read)).description.machine
        machine.cpuModel = "Skylake-Server"
        let disk = try File(entry.files.disk, .create(permissions: 0o400))
        try disk.resize(to: own.diskBytes)
        let memory = try File(entry.files.memory, .create(permissions: 0o400))
        try SnapshotFile.writeTail(VMDescription(machine: machine), state: [1], emulator: "test", to: memory)
        entry.seen = BaseStamp(disk: try disk.status(), memory: try memory.status())
        let emulated = entry
        let virtualised = try base(scratch.file("kvm.raw"), like: own, memoryHash: own.memoryHash, accelerator: "kvm")
        // Its machine type is of no family that QEMU has here, so that it can't even boot.
        let foreign = try base(scratch.file("foreign.raw"), like: own, memoryHash: own.memoryHash, accelerator: "tcg")
        machine.machineType = "isapc-1.0"
        try SnapshotFile.writeTail(
            VMDescription(machine: machine), state: [1], emulator: "test",
            to: try File(foreign.files.memory, .create(permissions: 0o400)))
        let others = [emulated, virtualised, foreign]
        for other in others { try registry.add(other) }
        defer { for other in others { _ = try? registry.remove(disk: other.files.disk) } }

        let settings = [
            "CLOUDLET_STANDBY_MACHINES": "1", "CLOUDLET_LOG_FORMAT": "text", "CLOUDLET_HYPERVISOR_ACCELERATOR": "tcg",
        ]
        let environment = chain.environment.merging(settings) { $1 }
        try await EndToEndLab.with(hosts: 2) { lab in
            let node = [Program.path("cloudlet-node")]
            _ = try await lab.with(1, node, environment: environment, log: scratch.file("log")) { node in
                try await node.waitFor("warm VM is ready base=\(own.hash.short)", seconds: 60)
                let web = "http://\(EndToEndLab.address(1)):8022"
                let status = try await lab.run(1, ["curl", "-s", "\(web)/v1/node"]).output
                let (bases, bootable) = try announced(status)
                #expect(bases == [own.hash.hex], "\(status)")
                #expect(Set(bootable) == [emulated.hash.hex, virtualised.hash.hex], "\(status)")
                let ready = try await lab.run(1, ["curl", "-s", "\(web)/ready"]).output
                #expect(ready.hasPrefix("ready\n") && ready.components("can only boot here") == 2, "\(ready)")
                #expect(ready.components("can't run here") == 1, "\(ready)")
                let sent = try await lab.run(
                    2,
                    [
                        Program.path("cloudlet-find"), "--node", EndToEndLab.address(1), "--timeout", "3", "--overlay",
                        overlay.string,
                    ], environment: ["CLOUDLET_HOME": scratch.file("client").string])
                #expect(sent.status == 69 && sent.errors.contains("lacks features of the CPU model"), "\(sent)")
                #expect(sent.errors.contains("--allow-boot"), "\(sent)")
                #expect(node.output.components("can't be resumed on this host; it is announced") == 2, "\(node.output)")
                #expect(node.output.components("can't run on this host and is not announced") == 1, "\(node.output)")
                #expect(!node.output.contains("no warm VM can be made"), "\(node.output)")
            }
        }
        let listed = try await Program.cloudlet(["list-base"], environment: environment)
        #expect(listed.output.components(" unsupported ") == 1, "\(listed)")
        #expect(listed.errors.contains("lacks features of the CPU model 'Skylake-Server'"), "\(listed)")
        let examined = try await Program.cloudlet(["doctor"], environment: environment)
        #expect(examined.output.components("it can only boot here") == 2, "\(examined.output)")
        #expect(examined.output.components("can't run here and is not announced") == 1, "\(examined.output)")
    }

    @Test("an overlay whose state can't be resumed boots into its application where the client allows it")
    func bootedOverlay() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let own = try #require(try Registry(CloudletHome(chain.home).database).bases().first)
        // The same base VM, but its memory says that it was saved under KVM.
        let disk = scratch.file("kvm.raw")
        #expect(unsafe symlink(own.files.disk.string, disk.string) == 0)
        var entry = BaseVM(
            files: BaseFiles(disk: disk), hash: own.hash, memoryHash: own.memoryHash, diskBytes: own.diskBytes,
            diskModified: 1, memoryBytes: own.memoryBytes, accelerator: "kvm", created: own.created)
        let copied = try await Tool.run(
            "cp", ["--sparse=always", own.files.memory.string, entry.files.memory.string])
        #expect(copied.status == 0, "\(copied)")
        try File.setPermissions(0o600, of: entry.files.memory)
        let memory = try File(entry.files.memory, .readWrite)
        let area = try memory.read(SnapshotLayout.descriptionArea, at: own.memoryBytes)
        let word = try #require(area.firstRange(of: Array("\"tcg\"".utf8)))
        try memory.write(Array("\"kvm\"".utf8), at: own.memoryBytes + word.lowerBound)
        entry.seen = BaseStamp(disk: try File(disk, .read).status(), memory: try memory.status())
        let home = scratch.file("home")
        try Directory.createPrivate(home)
        try Registry(CloudletHome(home).database).add(entry)

        let environment = [
            "CLOUDLET_HOME": home.string, "CLOUDLET_STANDBY_MACHINES": "0", "CLOUDLET_LOG_FORMAT": "text",
            "CLOUDLET_HYPERVISOR_ACCELERATOR": "tcg",
            // Otherwise QEMU's DHCP server gives the booting guest no route to the LAN.
            "CLOUDLET_GUEST_OUTBOUND_NETWORK": "true",
        ]
        try await EndToEndLab.with(hosts: 2) { lab in
            let node = [Program.path("cloudlet-node")]
            _ = try await lab.with(1, node, environment: environment, log: scratch.file("log")) { node in
                try await node.waitFor("node is ready")
                let web = "http://\(EndToEndLab.address(1)):8022"
                let (bases, bootable) = try announced(try await lab.run(1, ["curl", "-s", "\(web)/v1/node"]).output)
                #expect(bases.isEmpty && bootable == [own.hash.hex])
                func find(_ options: [String]) async throws -> Tool.Result {
                    let launch = Repository.root.appending("Scripts/guest/face-client").string
                    return try await lab.run(
                        2,
                        [
                            Program.path("cloudlet-find"), "--protocol", "ssdp", "--timeout", "5", "--overlay",
                            chain.overlay.string, "--launch", launch,
                        ] + options, environment: ["CLOUDLET_HOME": scratch.file("client").string])
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
            }
        }
        let listed = try await Program.cloudlet(
            ["list-session", "--all", "--format", "json"], environment: environment)
        #expect(listed.output.components("\"boot_reason\"") == 1, "\(listed)")
        #expect(try chain.hashesNow() == chain.baseHashes)
    }
}
