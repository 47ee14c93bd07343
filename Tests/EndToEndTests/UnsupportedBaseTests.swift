// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

/// Base VMs that were made on hosts of another kind.
extension EndToEndTests {
    /// An entry for a base VM with the disk `name`.
    private func base(_ name: FilePath, like other: BaseVM, memoryHash: SHA256Digest, accelerator: String) -> BaseVM {
        BaseVM(
            files: BaseFiles(disk: name), hash: SHA256Digest(hashing: Array(name.string.utf8).span),
            memoryHash: memoryHash, diskBytes: other.diskBytes, diskModified: 1, memoryBytes: other.memoryBytes,
            accelerator: accelerator, created: other.created + 10)
    }

    /// The same with files: an empty disk, and a memory that was saved with this machine.
    private func base(
        _ name: FilePath, like other: BaseVM, memoryHash: SHA256Digest, machine: MachineDescription
    ) throws -> BaseVM {
        var entry = base(name, like: other, memoryHash: memoryHash, accelerator: machine.accelerator.rawValue)
        let disk = try File(entry.files.disk, .create(permissions: 0o400))
        try disk.resize(to: other.diskBytes)
        let memory = try File(entry.files.memory, .create(permissions: 0o400))
        try SnapshotFile.writeTail(VMDescription(machine: machine), state: [1], emulator: "test", to: memory)
        entry.seen = BaseStamp(disk: try disk.status(), memory: try memory.status())
        return entry
    }

    /// The base VMs of a status document: those that can be resumed, and those that can only boot.
    func announced(_ status: String) throws -> (bases: [String], bootable: [String]) {
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
        var machine = try SnapshotFile(try File(own.files.memory, .read)).description.machine
        machine.cpuModel = "Skylake-Server"
        let emulated = try base(
            scratch.file("skylake.raw"), like: own, memoryHash: try #require(meta.baseMemoryHash), machine: machine)
        meta.baseHash = emulated.hash
        let bytes = meta.encoded()
        try metaFile.resize(to: 0)
        try metaFile.write(bytes, at: 0)
        let virtualised = base(scratch.file("kvm.raw"), like: own, memoryHash: own.memoryHash, accelerator: "kvm")
        // Its machine type is of no family that QEMU has here, so that it can't even boot.
        machine.machineType = "isapc-1.0"
        let foreign = try base(scratch.file("foreign.raw"), like: own, memoryHash: own.memoryHash, machine: machine)
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
                let found = try await lab.run(
                    2, [Program.path("cloudlet-find"), "--protocol", "ssdp", "--timeout", "3"],
                    environment: ["CLOUDLET_HOME": scratch.file("client").string])
                #expect(found.output.contains(String(own.hash.hex.prefix(12))), "\(found)")
                #expect(found.output.components("(can only boot)") == 2, "\(found)")
                #expect(node.output.components("can only boot on this host; it is announced") == 2, "\(node.output)")
                #expect(node.output.components("can't run on this host and is not announced") == 1, "\(node.output)")
                #expect(!node.output.contains("no warm VM can be made"), "\(node.output)")
            }
        }
        let listed = try await Program.cloudlet(["list-base"], environment: environment)
        #expect(listed.output.components(" can only boot ") == 1, "\(listed)")
        #expect(listed.output.components(" unsupported ") == 1, "\(listed)")
        let reasons = listed.errors.split(separator: "\n")
        #expect(
            reasons.contains {
                $0.contains("skylake.raw can only boot here: ")
                    && $0.contains("lacks features of the CPU model 'Skylake-Server'") && $0.contains("--allow-boot")
            }, "\(listed)")
        #expect(
            reasons.contains { $0.contains("foreign.raw can't run here: ") && !$0.contains("--allow-boot") },
            "\(listed)")
        let examined = try await Program.cloudlet(["doctor"], environment: environment)
        // The files of the other one that can only boot are missing.
        #expect(examined.output.components("it can only boot here") == 1, "\(examined.output)")
        let fixes = examined.output.split(separator: "\n").drop { !$0.contains("it can only boot here") }
        #expect(fixes.dropFirst().first?.contains("fix: cloudlet-find --allow-boot") == true, "\(examined.output)")
        #expect(examined.output.components("can't run here and is not announced") == 1, "\(examined.output)")
    }
}
