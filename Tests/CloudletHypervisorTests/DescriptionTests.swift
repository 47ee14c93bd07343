// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletForwarding
import CloudletMarkup
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletHypervisor

@Suite struct DescriptionTests {
    private let description: VMDescription = {
        var description = VMDescription(
            machine: MachineDescription(memoryMiB: 256, vcpus: 2, accelerator: .tcg),
            forwards: [PortForward(hostPort: 2222, guestPort: 22), PortForward(.udp, hostPort: 0, guestPort: 53)],
            readyPort: 9876, guest: GuestSupport(clock: .agent, random: .kernel))
        description.timekeeping = GuestTimekeeping(clockSource: "kvm-clock", tscKilohertz: 2_893_437)
        return description
    }()

    @Test("a description survives its XML")
    func roundTrip() throws {
        #expect(try VMDescription(parsing: Array(description.document().utf8)) == description)
    }

    @Test(
        "a stranger's description is checked field by field",
        arguments: [
            ("memory-mib=\"256\"", "memory-mib=\"0\""), ("memory-mib=\"256\"", "memory-mib=\"99999999999\""),
            ("vcpus=\"2\"", "vcpus=\"-1\""), ("vcpus=\"2\"", ""), ("cpu=\"x86-64-v2\"", "cpu=\"host,+vmx\""),
            ("type=\"pc-i440fx-7.2\"", "type=\"pc,dump-guest-core=on\""),
            ("accelerator=\"tcg\"", "accelerator=\"xen\""),
            ("disk-bus=\"virtio\"", "disk-bus=\"x'/&gt;\""), ("device-list=\"2\"", "device-list=\"3\""),
            (">9876<", ">0<"), ("tsc-khz=\"2893437\"", "tsc-khz=\"-1\""),
            ("tsc-khz=\"2893437\"", "tsc-khz=\"9223372036854775807\""), ("tcp:2222::22", "tcp:2222::22,guestfwd=x"),
            ("urn:cloudlet:vm:1", "urn:cloudlet:vm:2"),
        ])
    func refusals(original: String, replacement: String) {
        let document = description.document().replacing(original, with: replacement)
        let error = #expect(throws: CloudletError.self) { try VMDescription(parsing: Array(document.utf8)) }
        #expect(error?.code == .badData)
    }

    @Test("what a guest can do is read leniently: words of other versions and none mean that nothing is known")
    func guestSupport() throws {
        let document = description.document()
        for (original, replacement) in [("clock=\"agent\"", "clock=\"ntp\""), ("random=\"kernel\"", "random=\"\"")] {
            let changed = try VMDescription(parsing: Array(document.replacing(original, with: replacement).utf8))
            #expect(changed.guest != description.guest && !changed.guest.warnings.isEmpty)
        }
        var plain = description
        plain.guest = .unknown
        plain.timekeeping = nil
        #expect(try VMDescription(parsing: Array(plain.document().utf8)) == plain)
        #expect(!plain.document().contains("<guest"))
        #expect(plain.guest.warnings.count == 2 && description.guest.warnings.isEmpty)
    }

    @Test("base VMs of the first device list keep its devices; new ones have a generation id and the agent's channel")
    func deviceLists() throws {
        let resources = VMResources(
            name: "cloudlet-a", disk: "/a", diskFormat: .raw, memoryPath: "/m", waitsForState: true)
        var machine = description.machine
        func xml() -> String { DomainXML(machine: machine, resources: resources, securityLabels: []).document() }
        #expect(xml().contains("<genid") && xml().contains("virtio-serial"))
        // libvirt would connect to the channel by itself, and parse what a guest sends.
        #expect(!xml().contains("org.qemu.guest_agent.0"))
        machine.deviceList = 1
        #expect(!xml().contains("genid") && !xml().contains("virtio-serial"))
        machine.deviceList = 3
        #expect(throws: CloudletError.self) { try machine.validate() }
    }

    @Test("the same machine always gives the same devices, whatever the resources")
    func stableDevices() throws {
        func devices(_ resources: VMResources) throws -> [MarkupElement] {
            let xml = DomainXML(machine: description.machine, resources: resources, securityLabels: []).document()
            let root = try MarkupParser().parse(xml)
            return try #require(root.child("devices")).children.filter { !["disk", "graphics"].contains($0.name) }
        }
        var one = VMResources(
            name: "cloudlet-a", disk: "/a", diskFormat: .raw, memoryPath: "/m", waitsForState: false)
        one.options.display = true
        var two = VMResources(
            name: "cloudlet-b", disk: "/b,c", diskFormat: .qcow2, memoryPath: "/n,o", waitsForState: true)
        two.options.outboundNetwork = true
        #expect(try devices(one) == devices(two))
        let xml = DomainXML(machine: description.machine, resources: two, securityLabels: []).document()
        #expect(xml.contains("mem-path=/n,,o") && xml.contains("restrict=off"))
        let quiet = DomainXML(machine: description.machine, resources: one, securityLabels: []).document()
        #expect(quiet.contains("restrict=on") && quiet.contains("autoport=\"yes\""))
    }

    @Test("snapshot footers tell where things are, and lies are refused")
    func footer() throws {
        let layout = SnapshotLayout(memoryBytes: 1 << 20, descriptionBytes: 500, stateBytes: 9000, emulator: "7.2.22")
        #expect(layout.fileBytes == (1 << 20) + (64 << 10) + 3 * 4096 + 4096)
        let page = layout.footer()
        #expect(page.count == 4096)
        #expect(try SnapshotLayout(footer: page.span, fileBytes: layout.fileBytes) == layout)
        #expect(throws: CloudletError.self) {
            try SnapshotLayout(footer: page.span, fileBytes: layout.fileBytes + 4096)
        }
        for offset in [0, 16, 24, 32, 40, 48, 56, 64] {
            var damaged = page
            damaged[offset] = 0x7F
            #expect(throws: CloudletError.self) {
                try SnapshotLayout(footer: damaged.span, fileBytes: layout.fileBytes)
            }
        }
    }

    @Test("a snapshot file gives back what was written behind its RAM")
    func snapshotFile() throws {
        let scratch = try ScratchDirectory()
        let file = try scratch.write("x.base-mem", [])
        let state = (0..<600_000).map { UInt8(truncatingIfNeeded: $0) }
        try SnapshotFile.writeTail(description, state: state, emulator: "7.2", to: file)
        let snapshot = try SnapshotFile(file)
        #expect(snapshot.description == description && snapshot.layout.emulator == "7.2")
        func pieces(of snapshot: SnapshotFile) throws -> [[UInt8]] {
            var pieces: [[UInt8]] = []
            try snapshot.forEachPieceOfState { pieces.append(Array(copying: $0)) }
            return pieces
        }
        #expect(try Array(pieces(of: snapshot).joined()) == state)
        // However large it is, little of it is in memory at a time.
        #expect(try pieces(of: snapshot).allSatisfy { $0.count <= 256 << 10 })
        // The tail alone, as synthesis keeps it.
        let tail = try scratch.write("tail", [])
        let layout = try SnapshotFile.writeTail(
            description, state: state, emulator: "7.2", to: tail, at: description.machine.memoryBytes)
        #expect(try tail.size() == layout.fileBytes - description.machine.memoryBytes)
        let rest = try SnapshotFile(tail, origin: description.machine.memoryBytes)
        #expect(try Array(pieces(of: rest).joined()) == state)
        try file.resize(to: layout.fileBytes - 4096)
        let error = #expect(throws: CloudletError.self) { try SnapshotFile(file) }
        #expect(error?.description.contains("x.base-mem") == true)
    }

    @Test("RAM is copied without holes, zeros and excluded pages")
    func memoryCopy() async throws {
        let scratch = try ScratchDirectory()
        let source = try scratch.write("source", [])
        try source.resize(to: 4 << 20)
        try source.write([UInt8](repeating: 7, count: 3 * 4096), at: 1 << 20)
        try source.write([UInt8](repeating: 0, count: 8192), at: 2 << 20)
        try source.write([9], at: (4 << 20) - 1)
        let target = try SharedMemory(named: "test", size: 4 << 20)
        try await MemoryCopy.copy(0..<4 << 20, from: source, to: target) { range in
            range.contains((1 << 20) + 4096)
                ? [range.lowerBound..<(1 << 20) + 4096, (1 << 20) + 8192..<range.upperBound] : [range]
        }
        #expect(try target.file.read(1, at: 1 << 20) == [7] && target.file.read(1, at: (1 << 20) + 8192) == [7])
        #expect(try target.file.read(1, at: (1 << 20) + 4096) == [0])
        #expect(try target.file.read(1, at: (4 << 20) - 1) == [9])
        #expect(try target.file.status().allocated <= 3 * 4096)
    }

    @Test("what QEMU keeps of translated code is bounded under TCG, and counted with what else it takes")
    func translationCache() throws {
        func document(_ accelerator: MachineDescription.Accelerator) -> String {
            let resources = VMResources(
                name: "cloudlet-t", disk: "/d", diskFormat: .qcow2, memoryPath: "/m", waitsForState: true)
            return DomainXML(
                machine: MachineDescription(accelerator: accelerator), resources: resources, securityLabels: []
            ).document()
        }
        let cache = MachineDescription.translationCacheMiB
        #expect(document(.tcg).contains("<tb-cache unit=\"MiB\">\(cache)</tb-cache>"))
        #expect(!document(.kvm).contains("tb-cache"))
        // The process that relays the ports: itself, and what waits in its connections.
        let relay = RelayLimits.memoryBytes
        #expect(relay >= (5 << 20) + 224 * (128 << 10))
        #expect(MachineDescription(accelerator: .kvm).emulatorBytes == 64 << 20 + relay)
        #expect(MachineDescription(accelerator: .tcg).emulatorBytes >= (64 + cache + 224) << 20 + relay)
        #expect(MachineDescription(vcpus: 2, accelerator: .tcg).emulatorBytes >= (64 + cache + 448) << 20 + relay)
    }

    @Test("forwards of UDP are refused to a VM that is kept from other hosts, and others are not")
    func udpForwards() throws {
        let forwards = try ["tcp:1::2", "udp:5000::53"].map { (text) throws(CloudletError) in
            try PortForward(parsing: text)
        }
        var options = VMOptions()
        let error = #expect(throws: CloudletError.self) { try options.requireAnswers(to: forwards) }
        #expect(error?.code == .unavailable && error?.message.contains("udp:5000::53") == true)
        try options.requireAnswers(to: [forwards[0]])
        options.outboundNetwork = true
        try options.requireAnswers(to: forwards)
    }

    @Test("port forwards are read as -redir had them")
    func forwards() throws {
        #expect(try PortForward(parsing: "tcp:2222::22") == PortForward(hostPort: 2222, guestPort: 22))
        #expect(try PortForward(parsing: "udp:0::53").description == "udp:0::53")
        for text in ["", "tcp:22", "tcp:1:2:3", "sctp:1::2", "tcp:70000::1", "tcp:1::0", "tcp:-1::2", "tcp:1::2:x"] {
            #expect(throws: CloudletError.self) { try PortForward(parsing: text) }
        }
    }
}
