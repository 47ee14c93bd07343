import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import CloudletTestSupport
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

    @Test("base VMs that a node can't run are not announced, but reported; the others get their warm VMs")
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
        for other in [emulated, virtualised] { try registry.add(other) }
        defer { for other in [emulated, virtualised] { _ = try? registry.remove(disk: other.files.disk) } }

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
                #expect(status.contains(own.hash.hex), "\(status)")
                #expect(!status.contains(emulated.hash.hex) && !status.contains(virtualised.hash.hex), "\(status)")
                let ready = try await lab.run(1, ["curl", "-s", "\(web)/ready"]).output
                #expect(ready.hasPrefix("ready\n") && ready.components("can't run here") == 2, "\(ready)")
                let sent = try await lab.run(
                    2,
                    [
                        Program.path("cloudlet-find"), "--node", EndToEndLab.address(1), "--timeout", "3", "--overlay",
                        overlay.string,
                    ], environment: ["CLOUDLET_HOME": scratch.file("client").string])
                #expect(sent.status == 69 && sent.errors.contains("lacks features of the CPU model"), "\(sent)")
                #expect(node.output.components("can't run on this host and is not announced") == 2, "\(node.output)")
                #expect(!node.output.contains("no warm VM can be made"), "\(node.output)")
            }
        }
        let listed = try await Program.cloudlet(["list-base"], environment: environment)
        #expect(listed.output.components(" unsupported ") == 1, "\(listed)")
        #expect(listed.errors.contains("lacks features of the CPU model 'Skylake-Server'"), "\(listed)")
        let examined = try await Program.cloudlet(["doctor"], environment: environment)
        #expect(examined.output.components("can't run here and is not announced") == 2, "\(examined.output)")
    }
}
