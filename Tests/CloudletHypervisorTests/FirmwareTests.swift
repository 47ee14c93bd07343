// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletHypervisor

/// Firmware, machine types and drives in the machine's description.
@Suite struct FirmwareTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private static let sizes = Firmware.FlashSizes(code: 3_653_632, variables: 540_672)

    private func machine(_ firmware: Firmware = .bios, type: String = MachineDescription.defaultMachineType)
        -> MachineDescription
    {
        MachineDescription(memoryMiB: 64, accelerator: .tcg, machineType: type, firmware: firmware)
    }

    @Test("the firmware is stored in the description; without it, the description is that of earlier versions")
    func description() throws {
        let uefi = VMDescription(machine: machine(.uefi(Self.sizes)))
        let text = uefi.document()
        #expect(text.contains("firmware=\"uefi\"") && text.contains("flash-code-bytes=\"3653632\""))
        #expect(try VMDescription(parsing: Array(text.utf8)) == uefi)
        #expect(!VMDescription(machine: machine()).document().contains("firmware"))
        for (old, new) in [
            ("firmware=\"uefi\"", "firmware=\"coreboot\""), ("flash-code-bytes=\"3653632\"", ""),
            ("\"3653632\"", "\"-4096\""), ("\"3653632\"", "\"3653633\""), ("\"3653632\"", "\"9223372036854771712\""),
            ("\"540672\"", "\"8388608\""),
        ] {
            let error = #expect(throws: CloudletError.self) {
                try VMDescription(parsing: Array(text.replacing(old, with: new).utf8))
            }
            #expect(error?.code == .badData)
        }
    }

    @Test("UEFI lies in two chips; a CD for cloud-init is on the bus of the disk, for which the guest has a driver")
    func document() throws {
        func root(_ machine: MachineDescription, flash: FlashFiles?, cd: FilePath?) throws -> MarkupElement {
            var options = VMOptions()
            options.cd = cd
            let resources = VMResources(
                name: "cloudlet-a", disk: "/a", diskFormat: .raw, memoryPath: "/m", waitsForState: false,
                options: options, flash: flash)
            return try MarkupParser().parse(
                DomainXML(machine: machine, resources: resources, securityLabels: []).document())
        }
        let files = FlashFiles(code: "/s/code", variables: "/s/variables")
        let uefi = try root(machine(.uefi(Self.sizes), type: "pc-q35-7.2"), flash: files, cd: "/s/seed.iso")
        let loader = try #require(uefi.child("os")?.child("loader"))
        #expect(loader.text == "/s/code" && loader.attributes["type"] == "pflash")
        #expect(loader.attributes["readonly"] == "yes" && uefi.child("os")?.text(of: "nvram") == "/s/variables")
        let drive = try #require(uefi.child("devices")?.children("disk").last)
        #expect(drive.child("readonly") != nil && drive.child("target")?.attributes["bus"] == "virtio")
        var ide = machine()
        ide.diskBus = .ide
        let bios = try root(ide, flash: nil, cd: "/s/seed.iso")
        #expect(bios.child("os")?.child("loader") == nil)
        let cd = try #require(bios.child("devices")?.children("disk").last)
        #expect(cd.attributes["device"] == "cdrom" && cd.child("target")?.attributes["bus"] == "ide")
        #expect(try root(machine(), flash: nil, cd: nil).child("devices")?.children("disk").count == 1)
    }

    @Test("short names of machines stand for types that all hosts have; Q35 has no IDE")
    func machines() throws {
        #expect(MachineDescription.machineTypes["pc"] == "pc-i440fx-7.2")
        #expect(MachineDescription.machineTypes["q35"] == "pc-q35-7.2")
        var q35 = machine(type: "pc-q35-7.2")
        try q35.validate()
        q35.diskBus = .ide
        #expect(throws: CloudletError.self) { try q35.validate() }
    }

    @Test("firmware without Secure Boot that fits the machine is found by its description")
    func installed() throws {
        _ = try scratch.write("code", [UInt8](repeating: 1, count: 8192))
        _ = try scratch.write("variables", [UInt8](repeating: 2, count: 4096))
        func describe(_ name: String, features: String = "", machines: String = "pc-q35-*", code: String = "code")
            throws
        {
            _ = try scratch.write(
                name,
                Array(
                    """
                    {"description": "x", "interface-types": ["uefi"], "mapping": {"device": "flash",
                     "executable": {"filename": "\(scratch.file(code))", "format": "raw"},
                     "nvram-template": {"filename": "\(scratch.file("variables"))", "format": "raw"}},
                     "targets": [{"architecture": "x86_64", "machines": ["\(machines)"]}], "features": [\(features)],
                     "tags": []}
                    """.utf8))
        }
        func find(_ type: String, _ sizes: Firmware.FlashSizes? = nil) throws(CloudletError) -> UEFIFirmware {
            try UEFIFirmware.find(for: type, sizes: sizes, in: [scratch.path])
        }
        try describe("10.json", features: "\"secure-boot\", \"requires-smm\"")
        try describe("20.json", machines: "pc-i440fx-*")
        try describe("30.json", code: "missing")
        _ = try scratch.write("40.json", Array("{".utf8))
        #expect(throws: CloudletError.self) { try find("pc-q35-7.2") }
        try describe("50.json")
        let found = try find("pc-q35-7.2")
        #expect(found.code == scratch.file("code") && found.sizes == .init(code: 8192, variables: 4096))
        let error = #expect(throws: CloudletError.self) { try find("pc-q35-7.2", Self.sizes) }
        #expect(error?.message.contains("3653632") == true)

        // A VM that is resumed needs no firmware on its host.
        let files = try #require(
            try Firmware.uefi(Self.sizes).makeFlash(in: scratch.path, for: "pc-none", boots: false))
        #expect(try File(files.code, .read).size() == Self.sizes.code)
        #expect(try File(files.variables, .read).size() == Self.sizes.variables)
        #expect(try Firmware.bios.makeFlash(in: scratch.path, for: "pc-none", boots: true) == nil)
    }
}
