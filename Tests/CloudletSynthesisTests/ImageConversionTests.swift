// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import Synchronization
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// Raw disks from images in other formats, made by the programs that people use.
@Suite struct ImageConversionTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// A bootable disk of 4 MiB with some data, a block of zeros that is stored, and holes.
    static let disk: [UInt8] = {
        var random = SeededRandom(seed: 14)
        var bytes = [UInt8](repeating: 0, count: 4 << 20)
        (bytes[0], bytes[510], bytes[511]) = (0xEB, 0x55, 0xAA)
        for index in 1 << 20..<(1 << 20) + 300_000 { bytes[index] = UInt8.random(in: 0...255, using: &random) }
        bytes[bytes.count - 1] = 1
        return bytes
    }()

    /// Makes an image with a shell command; the disk is in `s`, and the image becomes `$1`.
    private func make(_ name: String, _ command: String) async throws -> FilePath {
        _ = try scratch.write("s", Self.disk)
        let made = try await Tool.run("sh", ["-ec", "\(command)\nrm -f s", "sh", "./\(name)"], directory: scratch.path)
        #expect(made.status == 0, "\(made.errors)")
        return scratch.file(name)
    }

    private func contents() throws -> [String: [UInt8]] {
        var contents: [String: [UInt8]] = [:]
        for name in try Directory.names(in: scratch.path) {
            contents[name] = try File(scratch.file(name), .read).read(16 << 20, at: 0)
        }
        return contents
    }

    /// What the conversion says of an image that it refuses; the directory must be as it was.
    private func refusal(_ image: FilePath, largest: Int? = nil) async throws -> CloudletError {
        let before = try contents()
        let error = await #expect(throws: CloudletError.self) {
            var conversion = try #require(try ImageConversion.plan(image, output: nil))
            if let largest { conversion.largestDisk = largest }
            try await conversion.convert { _ in }
        }
        #expect(try contents() == before, "files were changed or left")
        return try #require(error)
    }

    @Test(
        "images of all formats become the raw disk; their names don't matter, and they stay as they were",
        arguments: [
            ("a.qcow2", "qemu-img convert -O qcow2 s $1"), ("b.img", "qemu-img convert -c -O qcow2 s $1"),
            ("c.qcow2", "qemu-img convert -O qcow2 -o compat=0.10 s $1"), ("d.raw", "qemu-img convert -O vdi s $1"),
            ("e.vhdx", "qemu-img convert -O vhdx s $1"), ("f.vmdk", "qemu-img convert -O vmdk s $1"),
            ("g", "qemu-img convert -O vmdk -o subformat=streamOptimized s $1"), ("h.raw.xz", "xz -c s > $1"),
            ("i.img.gz", "gzip -c s > $1"), ("j.raw.zst", "zstd -qc s > $1"),
            ("k.qcow2.xz", "qemu-img convert -O qcow2 s q && xz -c q > $1 && rm q"),
            (
                "l.ova",
                """
                qemu-img convert -O vmdk -o subformat=streamOptimized s box-disk1.vmdk
                echo '<Envelope/>' > box.ovf; echo 'SHA256' > box.mf
                tar --format=ustar -cf $1 box.ovf box-disk1.vmdk box.mf; rm box*
                """
            ),
            ("m.tar.gz", "mv s disk.raw; tar --format=pax -czf $1 disk.raw; rm disk.raw"),
            ("n.tar.xz", "mv s disk.raw; tar --format=gnu -cJf $1 ./disk.raw; rm disk.raw"),
        ])
    func formats(name: String, command: String) async throws {
        let image = try await make(name, command)
        let before = try File(image, .read)
        let (bytes, status) = (try before.read(16 << 20, at: 0), try before.status())
        let conversion = try #require(try ImageConversion.plan(image, output: nil))
        let seen = Mutex<[Double]>([])
        try await conversion.convert { progress in
            switch progress {
            case .decompressing(let part), .converting(let part), .copying(let part):
                seen.withLock { $0.append(part) }
            default: break
            }
        }
        let raw = try File(conversion.output, .read)
        #expect(try raw.read(16 << 20, at: 0) == Self.disk)
        // Zeros take no room.
        #expect(try raw.status().allocated < 1 << 20)
        #expect(try File(image, .read).status() == status)
        #expect(try File(image, .read).read(16 << 20, at: 0) == bytes)
        #expect(try Directory.names(in: scratch.path).count == 2)
        let expected = name == "d.raw" ? "d-2.raw" : "\(name.prefix(1)).raw"
        #expect(conversion.output == scratch.file(expected))
        let parts = seen.withLock { $0 }
        #expect(parts.contains(1) && parts.allSatisfy { (0...1).contains($0) })
    }

    @Test("a raw disk is used as it is, or copied to another path; an existing output is not replaced")
    func output() async throws {
        let raw = try await make("x.raw", "cp s $1")
        #expect(try ImageConversion.plan(raw, output: nil) == nil)
        let copied = try #require(try ImageConversion.plan(raw, output: scratch.file("y")))
        try await copied.convert { _ in }
        #expect(try File(scratch.file("y"), .read).read(16 << 20, at: 0) == Self.disk)
        let error = #expect(throws: CloudletError.self) { try ImageConversion.plan(raw, output: scratch.file("y")) }
        #expect(error?.code == .cannotCreate && error?.description.contains("--output") == true)
        let image = try await make("y.qcow2", "rm -f y; cp s y.raw; qemu-img convert -O qcow2 s $1")
        #expect(throws: CloudletError.self) { try ImageConversion.plan(image, output: nil) }
    }

    @Test("a complete disk that the caller refuses is removed")
    func check() async throws {
        let image = try await make("x.qcow2", "qemu-img convert -O qcow2 s $1")
        let before = try contents()
        let conversion = try #require(try ImageConversion.plan(image, output: nil))
        let error = await #expect(throws: CloudletError.self) {
            try await conversion.convert { (disk) throws(CloudletError) in
                let isWhole = try disk.read(16 << 20, at: 0) == Self.disk
                throw CloudletError(.unavailable, isWhole ? "refused" : "incomplete")
            } progress: { _ in
            }
        }
        #expect(error?.message == "refused")
        #expect(try contents() == before)
    }

    @Test(
        "images that refer to other files are refused, and the files are named",
        arguments: [
            ("a.qcow2", "qemu-img create -q -u -f qcow2 -F raw -b /etc/shadow $1 4M", "'/etc/shadow'"),
            ("b.qcow2", "qemu-img create -q -u -f qcow2 -F qcow2 -b b.qcow2 $1 4M", "'b.qcow2'"),
            (
                "c.qcow2", "qemu-img create -q -f qcow2 -o data_file=s,data_file_raw=on $1 4M",
                "keeps its data in another file"
            ),
            (
                "d.vmdk",
                """
                printf '# Disk DescriptorFile\\nversion=1\\nCID=1\\nparentCID=ffffffff\\ncreateType="monolithicFlat"\\n' > $1
                printf 'RW 8192 FLAT "/etc/shadow" 0\\n' >> $1
                """, "in other files"
            ),
            // The header of a sparse file without sectors, whose descriptor names a file.
            (
                "e.vmdk",
                """
                { printf 'KDMV\\001\\000\\000\\000\\003\\000\\000\\000'; head -c 16 /dev/zero
                printf '\\001\\000\\000\\000\\000\\000\\000\\000'; head -c 476 /dev/zero
                printf '# Disk DescriptorFile\\nversion=1\\nCID=1\\nparentCID=ffffffff\\ncreateType="monolithicFlat"\\n'
                printf 'RW 8192 FLAT "/etc/shadow" 0\\n'; head -c 20000 /dev/zero; } > $1
                """, "in other files"
            ),
            (
                "f.vmdk",
                """
                qemu-img create -q -f vmdk base.vmdk 4M; qemu-img create -q -f vmdk -b base.vmdk -F vmdk $1; rm base.vmdk
                """, "'base.vmdk'"
            ),
            (
                "g.vdi",
                "qemu-img convert -O vdi s $1; printf '\\004' | dd of=$1 bs=1 seek=76 conv=notrunc status=none",
                "differences from another file"
            ),
            (
                "h.ova",
                """
                qemu-img create -q -u -f qcow2 -F raw -b /etc/shadow d.qcow2 4M; tar -cf $1 d.qcow2; rm d.qcow2
                """, "'/etc/shadow'"
            ),
        ])
    func references(name: String, command: String, words: String) async throws {
        let error = try await refusal(try await make(name, command))
        #expect(error.code == .badData && error.message.contains(words), "\(error)")
        #expect(error.firstAdvice?.contains("one complete file") == true, "\(error)")
    }

    @Test(
        "images that lie about their size or content are refused with the reason",
        arguments: [
            // A disk of 2^60 bytes.
            (
                "a.qcow2",
                """
                qemu-img convert -O qcow2 s $1
                printf '\\020\\000\\000\\000\\000\\000\\000\\000' | dd of=$1 bs=1 seek=24 conv=notrunc status=none
                """, "at most"
            ),
            (
                "b.vmdk",
                """
                qemu-img convert -O vmdk s $1
                printf '\\377\\377\\377\\377\\377\\377\\377\\377' | dd of=$1 bs=1 seek=12 conv=notrunc status=none
                """, "at most"
            ),
            ("c.qcow2", "qemu-img create -q -f qcow2 $1 2T", "at most"),
            (
                "d.qcow2",
                "qemu-img create -q -f qcow2 --object secret,id=k,data=x -o encrypt.format=luks,encrypt.key-secret=k $1 4M",
                "encrypted"
            ),
            ("e.qcow2", "qemu-img convert -O qcow2 s q; head -c 100 q > $1; rm q", "cut off"),
            ("f.qcow2", "printf 'QFI\\373\\000\\000\\000\\011' > $1; head -c 9000 /dev/zero >> $1", "version 9"),
            ("g.qcow2", "qemu-img convert -O qcow2 s q; head -c 200000 q > $1; rm q", "failed"),
            ("q.vdi", "qemu-img convert -O vdi s q; head -c 1200000 q > $1; rm q", "cut off"),
            ("r.vmdk", "qemu-img convert -O vmdk s q; head -c 300000 q > $1; rm q", "failed"),
            ("h.xz", "xz -c s | head -c 200000 > $1", "can't decompress"),
            ("i.gz", "{ gzip -c s; echo more; } > $1", "can't decompress"),
            ("j.xz", "head -c 2000000 /dev/zero | xz -c > $1", "no boot sector"),
            ("k.xz", "xz -c s | xz -c | gzip -c | xz -c | gzip -c > $1", "packed more than"),
            ("l.ova", "echo x > y; tar -cf $1 y; rm y", "contains no disk image"),
            (
                "m.ova", "qemu-img convert -O vmdk s one.vmdk; cp one.vmdk two.vmdk; tar -cf $1 *.vmdk; rm *.vmdk",
                "contains 2 disks"
            ),
            ("n.tar", "tar -cf t s; head -c 100000 t > $1; rm t", "cut off: a member ends behind the end"),
            ("o.tar", "truncate -s 8M s; tar -S -cf $1 s", "without its holes"),
            ("p.tar", "truncate -s 8M s; tar -S --format=pax -cf $1 s", "without its holes"),
        ])
    func lies(name: String, command: String, words: String) async throws {
        let error = try await refusal(try await make(name, command))
        #expect(error.code == .badData && error.description.contains(words), "\(error)")
    }

    @Test("a small file that unpacks to more than a disk can have ends there", arguments: ["xz", "gzip", "zstd"])
    func bombs(program: String) async throws {
        let image = try await make("bomb", "head -c 20000000 /dev/zero | \(program) -c > $1")
        let error = try await refusal(image, largest: 8 << 20)
        #expect(error.code == .badData && error.message.contains("contains more than 8 MiB"), "\(error)")
    }

    @Test("qemu-img can't take more processor time than it is given")
    func processorTime() async throws {
        let image = try await make("x.raw", "cp s $1")
        let error = await #expect(throws: CloudletError.self) {
            try await ConfinedImageTool.run(
                ["bench", "-c", "1000000000", "-s", "512", "-f", "raw", image.string], on: "x", seconds: 1)
        }
        #expect(error?.message.contains("of processor time") == true, "\(error as Any)")
    }

    @Test("a conversion that is interrupted leaves nothing")
    func interrupted() async throws {
        // Several pieces to decompress, each followed by a report of progress.
        let image = try await make("x.gz", "head -c 4000000 /dev/urandom | gzip -1c > $1")
        let before = try contents()
        let conversion = try #require(try ImageConversion.plan(image, output: nil))
        let begun = AsyncEvent()
        let task = Task {
            try await conversion.convert { _ in
                begun.set()
                while !Task.isCancelled { sched_yield() }
            }
        }
        await begun.wait()
        task.cancel()
        let error = await #expect(throws: CloudletError.self) { try await task.value }
        #expect(error?.code == .interrupted)
        #expect(try contents() == before)
    }
}
