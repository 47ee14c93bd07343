// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSynthesis
import CloudletSystem
import CloudletTestSupport
import Testing

@Suite struct DiskImageCheckTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// One partition from sector 8 with this many sectors, in a disk of 64 sectors.
    private func disk(partitionSectors: UInt8 = 56) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64 * 512)
        bytes[446 + 4] = 0x83
        bytes[446 + 8] = 8
        bytes[446 + 12] = partitionSectors
        bytes[510] = 0x55
        bytes[511] = 0xAA
        return bytes
    }

    private func refusal(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = try scratch.write(name, bytes)
        let error = #expect(throws: CloudletError.self) { try DiskImageCheck.requireBootableRaw(file) }
        #expect(error?.code == .badData)
        return error?.description ?? ""
    }

    @Test("a raw disk with a boot sector and whole partitions is taken")
    func accepted() throws {
        try DiskImageCheck.requireBootableRaw(try scratch.write("ok.raw", disk()))
        // Code of a boot loader that looks like the mark of a tar archive.
        var bytes = disk()
        bytes.replaceSubrange(257..<262, with: Array("ustar".utf8))
        try DiskImageCheck.requireBootableRaw(try scratch.write("code.raw", bytes))
    }

    @Test(
        "other formats are named, with the command that converts them",
        arguments: [
            ("a.qcow2", [0x51, 0x46, 0x49, 0xFB], "qemu-img convert -f qcow2 -O raw"),
            ("a.vmdk", Array("KDMV".utf8), "-f vmdk"),
            ("a.vhdx", Array("vhdxfile".utf8), "-f vhdx"), ("a.vhd", Array("conectix".utf8), "-f vpc"),
            ("a.raw.gz", [0x1F, 0x8B, 8], "gzip -dc"), ("a.xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], "xz -dc"),
            ("a.bz2", Array("BZh9".utf8), "bzip2 -dc"), ("a.zst", [0x28, 0xB5, 0x2F, 0xFD], "zstd -dc"),
            ("a.zip", Array("PK".utf8) + [3, 4], "unzip -p"),
        ] as [(String, [UInt8], String)])
    func foreignFormats(name: String, magic: [UInt8], command: String) throws {
        let text = try refusal(name, magic + disk().dropFirst(magic.count))
        #expect(text.contains(command) && text.contains("a.raw"))
    }

    @Test("cut-off images, partitions and files that are no disks")
    func damaged() throws {
        #expect(try refusal("odd", disk() + [0]).contains("not a multiple of 512"))
        #expect(try refusal("cut", Array(disk().dropLast(512))).contains("partition 1 ends at byte 32768"))
        #expect(try refusal("more", disk(partitionSectors: 57)).contains("cut off"))
        #expect(try refusal("zeros", [UInt8](repeating: 0, count: 8192)).contains("no boot sector"))
        #expect(try refusal("tiny", [1, 2, 3]).contains("3 bytes"))
        var gpt = disk()
        gpt[446 + 4] = 0xEE
        gpt.replaceSubrange(512..<520, with: Array("EFI PART".utf8))
        gpt[512 + 48] = 200
        #expect(try refusal("gpt", gpt).contains("partition table"))
        // Numbers that no disk has.
        for (name, bytes) in [
            ("half", [0, 0, 0, 0, 0, 0, 0, 0x80]), ("most", [UInt8](repeating: 0xFF, count: 8)),
            ("signed", [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]), ("sectors", [0, 0, 0, 0, 0, 0, 0x80, 0]),
        ] as [(String, [UInt8])] {
            gpt.replaceSubrange(512 + 48..<512 + 56, with: bytes)
            #expect(try refusal(name, gpt).contains("partition table ends"))
        }
        var mbr = disk()
        mbr.replaceSubrange(446 + 8..<446 + 16, with: [UInt8](repeating: 0xFF, count: 8))
        #expect(try refusal("mbr", mbr).contains("partition 1 ends at byte 4398046510080"))
        // As large as a file can be, and all of it a hole.
        let huge = try scratch.write("huge", disk())
        for size in [1 << 41, Int.max / 512 * 512, Int.max] where (try? huge.resize(to: size)) != nil {
            #expect(throws: CloudletError.self) { try DiskImageCheck.requireBootableRaw(huge) }
        }
    }

    @Test("a disk with the footer of a VHD of fixed size is one, and not booted as it is")
    func fixedVHD() throws {
        var footer = [UInt8](repeating: 0, count: 512)
        footer.replaceSubrange(0..<8, with: Array("conectix".utf8))
        footer.replaceSubrange(12..<16, with: [0, 1, 0, 0])
        footer.replaceSubrange(60..<64, with: [0, 0, 0, 2])
        #expect(try refusal("fixed.raw", disk() + footer).contains("qemu-img convert -f vpc"))
        // Text that only looks like it.
        footer[63] = 7
        try DiskImageCheck.requireBootableRaw(try scratch.write("text.raw", disk() + footer))
    }

    @Test(
        "a file that is no disk is not to be lengthened, whatever its size",
        arguments: [
            ([0x61, 0x61], "no boot sector"), (Array("<!DOCTYPE html>".utf8), "no boot sector"),
            ([0x50, 0x2A, 0x4D, 0x18], "zstd -dc"), ([0x5D, 0, 0, 0x80, 0], "xz -dc --format=lzma"),
            ([0x1F, 0x9D, 0x90], "gzip -dc"),
        ] as [([UInt8], String)])
    func noDisk(mark: [UInt8], reason: String) throws {
        let text = try refusal("odd.raw", mark + [UInt8](repeating: 7, count: 5000))
        #expect(text.contains(reason) && !text.contains("truncate"), "\(text)")
    }

    @Test("a directory is no disk")
    func directory() throws {
        let error = #expect(throws: CloudletError.self) {
            try DiskImageCheck.requireBootableRaw(try File(scratch.path, .read))
        }
        #expect(error?.description.contains("not a regular file") == true)
    }
}
