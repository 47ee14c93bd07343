// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSynthesis
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

/// What is said of files that are no raw disk images: each printed command is run by a shell, in the file's directory.
@Suite struct DiskImageAdviceTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// A bootable disk of 64 sectors, as far as its first sector tells.
    private static let disk: [UInt8] = {
        var bytes = [UInt8](repeating: 0, count: 64 * 512)
        (bytes[0], bytes[510], bytes[511]) = (0xEB, 0x55, 0xAA)
        bytes[9000] = 77
        return bytes
    }()

    private func refusal(_ path: FilePath) throws -> String {
        let file = try File(path, .read)
        let error = #expect(throws: CloudletError.self) { try DiskImageCheck.requireBootableRaw(file) }
        return error?.description ?? ""
    }

    /// Makes a file of another format by `make`, runs what is printed for it in its directory, and gives back the names of
    /// the files that came by that.
    private func followed(_ name: String, _ make: String) async throws -> [String] {
        let input = scratch.file(name)
        _ = try scratch.write("source", Self.disk)
        let made = try await Tool.run(
            "sh", ["-c", "\(make) && rm source", "sh", "./\(name)"], directory: scratch.path)
        #expect(made.status == 0, "\(made.errors)")
        let before = try File(input, .read).read(1 << 20, at: 0)
        let names = try Directory.names(in: scratch.path)
        let text = try refusal(input)
        let command = try #require(text.split(separator: "run: ").last.map(String.init), "\(text)")
        // As it stands on the screen, copied from there.
        let result = try await Tool.run("sh", ["-c", command], directory: scratch.path)
        #expect(result.status == 0, "\(command): \(result.errors)")
        #expect(try File(input, .read).read(1 << 20, at: 0) == before, "\(command) changed its input")
        return try Directory.names(in: scratch.path).filter { !names.contains($0) }
    }

    @Test(
        "the printed command makes the raw image of a file with a false or strange name, and leaves the file as it was",
        arguments: [
            ("gzip -c source > \"$1\"", "guest.raw"), ("gzip -c source > \"$1\"", "it's $(rm -rf x) & `id`.raw"),
            ("xz -c source > \"$1\"", "-rf"), ("bzip2 -c source > \"$1\"", "a\nb.raw"),
            ("gzip -c source > \"$1\"", "~.tar.raw"),
            ("qemu-img convert -O qcow2 source \"$1\"", "guest.raw"),
            ("qemu-img convert -O qed source \"$1\"", "a b;c.img"),
            ("qemu-img convert -O vmdk source x.vmdk && mv x.vmdk \"$1\"", "Ubuntu Server.vmdk"),
        ])
    func commands(make: String, name: String) async throws {
        // What a file that is there already holds is not lost either.
        _ = try scratch.write("guest-2.raw", [9])
        let made = try await followed(name, make)
        #expect(made.count == 1 && made[0].hasSuffix(".raw"), "\(made)")
        let bytes = try File(scratch.file(try #require(made.first)), .read).read(1 << 20, at: 0)
        #expect(Array(bytes.prefix(Self.disk.count)) == Self.disk)
        #expect(try File(scratch.file("guest-2.raw"), .read).read(9, at: 0) == [9])
    }

    @Test(
        "an archive is unpacked into a directory of its own",
        arguments: [
            ("tar -cf x.tar --transform 's/source/disk.vmdk/' source && mv x.tar \"$1\"", "appliance one.ova")
        ])
    func archives(make: String, name: String) async throws {
        let made = try await followed(name, make)
        #expect(made == ["appliance one-unpacked"])
        #expect(try Directory.names(in: scratch.file("appliance one-unpacked")) == ["disk.vmdk"])
    }

    @Test(
        "formats that are no disks of VMs are named",
        arguments: [
            (0, Array("QED\0".utf8), "QED"), (0, [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], "7z"),
            (0, [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE], "LUKS"), (257, Array("ustar".utf8), "OVA"),
            (0x8001, Array("CD001".utf8), "ISO"), (1080, [0x53, 0xEF], "ext file system"),
            (0, Array("XFSB".utf8), "XFS"), (512, Array("LABELONE".utf8), "LVM"),
            (0, [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 1], "-f qcow "),
        ] as [(Int, [UInt8], String)])
    func named(offset: Int, mark: [UInt8], expected: String) throws {
        var bytes = [UInt8](repeating: 0, count: 128 << 10)
        bytes.replaceSubrange(offset..<offset + mark.count, with: mark)
        _ = try scratch.write("x.img", bytes)
        let text = try refusal(scratch.file("x.img"))
        #expect(text.contains(expected), "\(text)")
    }

    @Test("archives of several files get a directory, and names that unzip takes for patterns are not given to it")
    func zipped() async throws {
        _ = try scratch.write("a", Self.disk)
        _ = try scratch.write("b", [1])
        for (name, files, expected) in [
            ("one.raw", ["a"], "unzip -p "), ("[1].raw", ["a"], "funzip < "), ("two.raw", ["a", "b"], "two-unpacked"),
        ] {
            let made = try await Tool.run(
                "python3", ["-m", "zipfile", "-c", "./\(name)"] + files, directory: scratch.path)
            #expect(made.status == 0, "\(made.errors)")
            let text = try refusal(scratch.file(name))
            #expect(text.contains(expected), "\(text)")
        }
    }

    @Test("where nothing can be written beside a file, what is made of it goes to the working directory")
    func elsewhere() throws {
        let directory = scratch.file("gone")
        try Directory.create(directory)
        let file = try scratch.write("gone/guest.img", [0x1F, 0x8B, 8] + Self.disk)
        try FileSystem.remove(directory)
        let error = #expect(throws: CloudletError.self) { try DiskImageCheck.requireBootableRaw(file) }
        let output = try #require(error?.description.split(separator: " > ").last)
        #expect(output.contains("guest.raw") && !output.contains("gone"), "\(output)")
    }

    @Test("an image divided for sectors of 4096 bytes is named")
    func largeSectors() throws {
        var bytes = Self.disk
        bytes[446 + 4] = 0xEE
        bytes.replaceSubrange(4096..<4104, with: Array("EFI PART".utf8))
        _ = try scratch.write("4k.raw", bytes)
        #expect(try refusal(scratch.file("4k.raw")).contains("4096"))
    }

    @Test("what speaks against booting is told: UEFI only, only data, nothing marked, an ISO image")
    func doubts() throws {
        func doubt(_ change: (inout [UInt8]) -> Void) throws -> String? {
            var bytes = Self.disk + [UInt8](repeating: 0, count: 64 << 10)
            change(&bytes)
            let name = "d\(UInt32.random(in: 0 ... .max))"
            _ = try scratch.write(name, bytes)
            let file = try File(scratch.file(name), .read)
            try DiskImageCheck.requireBootableRaw(file)
            return try BootOutlook(of: file).doubt(with: .bios)
        }
        func gpt(_ bytes: inout [UInt8], _ types: [String]) {
            bytes[446 + 4] = 0xEE
            bytes.replaceSubrange(512..<520, with: Array("EFI PART".utf8))
            for (index, type) in types.enumerated() {
                bytes.replaceSubrange(1024 + index * 128..<1040 + index * 128, with: hex(type))
            }
        }
        let (efi, bios) = ("28732ac11ff8d211ba4b00a0c93ec93b", "4861682149646f6e744e656564454649")
        #expect(try doubt { _ in } == nil)
        #expect(try doubt { gpt(&$0, [efi, bios]) } == nil)
        #expect(try doubt { gpt(&$0, [efi]) }?.contains("UEFI") == true)
        #expect(
            try doubt {
                gpt(&$0, [efi, bios])
                $0[0] = 0
            }?.contains("UEFI only") == true)
        #expect(try doubt { $0[0] = 0 }?.contains("only data") == true)
        #expect(
            try doubt {
                $0[446 + 4] = 0x83
                $0[446 + 12] = 1
            }?.contains("no partition") == true)
        #expect(
            try doubt {
                ($0[446 + 4], $0[446 + 12]) = (0x83, 1)
                $0.replaceSubrange(0x180..<0x184, with: Array("GRUB".utf8))
            } == nil)
        #expect(try doubt { ($0[446 + 4], $0[446 + 12]) = (0xEF, 1) }?.contains("UEFI only") == true)
        #expect(try doubt { $0.replaceSubrange(0x8001..<0x8006, with: Array("CD001".utf8)) }?.contains("ISO") == true)
    }
}
