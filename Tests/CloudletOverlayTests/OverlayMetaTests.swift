// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMessagePack
import CloudletOverlay
import CloudletTestSupport
import Testing

@Suite struct OverlayMetaTests {
    private let baseHash = String(repeating: "0f", count: 32)

    /// The example of the original's format: elijah-0.8 reference, section 2.3.
    private var example: [UInt8] {
        hex("84 b4 726573756d65645f766d5f6469736b5f73697a65 ce00020000")
            + hex("ae 626173655f766d5f736861323536 da0040") + Array(baseHash.utf8)
            + hex("ad 6f7665726c61795f66696c6573 91 84 ac 6f7665726c61795f73697a65 cd3510")
            + hex("aa 6469736b5f6368756e6b 98 0b08040a06020e0f")
            + hex("ac 6f7665726c61795f6e616d65 b1 74696e792e6f7665726c61795f312e787a")
            + hex("ac 6d656d6f72795f6368756e6b 98 04090b0807130c0d")
            + hex("b6 726573756d65645f766d5f6d656d6f72795f73697a65 ce0001338c")
    }

    private func read(_ bytes: [UInt8]) throws -> OverlayMeta { try OverlayMeta(reading: bytes.span) }

    @Test("the original's example is read, and written again byte for byte")
    func example242Bytes() throws {
        #expect(example.count == 242)
        let meta = try read(example)
        #expect(meta.baseHash.hex == baseHash && meta.diskSize == 131072 && meta.memorySize == 78732)
        #expect(meta.blobs.count == 1)
        #expect(meta.blobs[0].name == "tiny.overlay_1.xz" && meta.blobs[0].size == 13584)
        #expect(meta.blobs[0].diskChunks == [11, 8, 4, 10, 6, 2, 14, 15])
        #expect(meta.blobs[0].memoryChunks == [4, 9, 11, 8, 7, 19, 12, 13])
        #expect(meta.encoded() == example)
    }

    @Test("the extensions are written and read, and a reader of 2013 finds its keys beside them")
    func extensions() throws {
        var meta = try read(example)
        meta.baseMemoryHash = SHA256Digest(hashing: example.span)
        meta.forwards = [PortForward(hostPort: 2222, guestPort: 22), PortForward(.udp, hostPort: 0, guestPort: 53)]
        meta.readyPort = 9876
        meta.guestClock = "agent"
        meta.guestRandom = "kernel"
        #expect(try read(meta.encoded()) == meta)
        var reader = MessagePackReader(meta.encoded().span)
        let tree = try reader.readValue()
        #expect(tree["base_vm_sha256"]?.text == baseHash && tree["resumed_vm_disk_size"]?.unsigned == 131072)
    }

    private func meta(_ change: (inout [MessagePackValue.Pair]) -> Void) -> [UInt8] {
        var reader = MessagePackReader(example.span)
        guard case .map(var pairs) = (try? reader.readValue()) ?? .nil else { return [] }
        change(&pairs)
        var writer = MessagePackWriter()
        writer.write(.map(pairs))
        return writer.bytes
    }

    private func blob(_ name: String, size: UInt64 = 64, disk: [UInt64] = [], memory: [UInt64] = []) -> MessagePackValue
    {
        .record(
            ("overlay_name", .text(name)), ("overlay_size", .unsigned(size)),
            ("disk_chunk", .array(disk.map { .unsigned($0) })), ("memory_chunk", .array(memory.map { .unsigned($0) })))
    }

    private func blobs(_ list: MessagePackValue...) -> [UInt8] {
        meta { pairs in
            pairs.removeAll { $0.key == .text("overlay_files") }
            pairs.append(.init(.text("overlay_files"), .array(list)))
        }
    }

    private func problem(_ bytes: [UInt8]) -> OverlayFormatError.Problem? {
        #expect(throws: OverlayFormatError.self) { try read(bytes) }?.problem
    }

    @Test("unknown keys are skipped, and newer text forms are read")
    func tolerance() throws {
        let bytes = meta { $0.append(.init(.text("future"), .array([.nil, .record(("x", .bool(true)))]))) }
        #expect(try read(bytes).diskSize == 131072)
        #expect(try read(blobs()).blobs.isEmpty)
    }

    @Test("missing keys, repeated keys and values out of range are refused")
    func keys() {
        #expect(problem(meta { $0.removeAll { $0.key == .text("base_vm_sha256") } }) == .missingKey("base_vm_sha256"))
        #expect(
            problem(meta { $0.append(.init(.text("resumed_vm_disk_size"), .unsigned(1))) })
                == .duplicateKey("resumed_vm_disk_size"))
        #expect(problem(Array(example.dropLast())) != nil)
        #expect(problem(example + [0]) != nil)
        #expect(problem([]) != nil)
        let huge = meta {
            $0.removeAll { $0.key == .text("resumed_vm_memory_size") }
            $0.append(.init(.text("resumed_vm_memory_size"), .unsigned(1 << 60)))
        }
        #expect(problem(huge) == .badValue("an image size of \(1 << 60) bytes is not accepted"))
    }

    @Test("a wrong value is reported with its offset, and an unknown compression with its number")
    func offsets() throws {
        let (start, wrong) = (example, Array(repeating: UInt8(ascii: "x"), count: 64))
        let position = try #require(start.firstRange(of: Array(baseHash.utf8)))
        let error = #expect(throws: OverlayFormatError.self) {
            try read(Array(start[..<position.lowerBound]) + wrong + start[position.upperBound...])
        }
        #expect(
            error?.byte == position.upperBound && error?.description.contains("byte \(position.upperBound)") == true)
        for value in [0, 2, 3, 15, 17, 1 << 40] as [UInt64] {
            guard case .map(var pairs) = blob("a") else { continue }
            pairs.append(.init(.text("overlay_compression"), .unsigned(value)))
            #expect(
                problem(blobs(.map(pairs)))
                    == .badValue("blobs with compression \(value) can't be read, only xz and zstd"))
        }
    }

    @Test("the compression is written only if it differs from the original's")
    func compression() throws {
        var meta = try read(example)
        meta.blobs.append(.init(name: "b.zst", size: 9, diskChunks: [], memoryChunks: [], compression: .zstd))
        let bytes = meta.encoded()
        #expect(try read(bytes) == meta)
        var reader = MessagePackReader(bytes.span)
        guard case .array(let blobs)? = try reader.readValue()["overlay_files"] else {
            Issue.record("no blobs"); return
        }
        #expect(blobs[0]["overlay_compression"] == nil && blobs[1]["overlay_compression"]?.unsigned == 16)
        let xz = self.blobs(
            .record(
                ("overlay_name", .text("a")), ("overlay_size", .unsigned(32)), ("disk_chunk", .array([])),
                ("memory_chunk", .array([])), ("overlay_compression", .unsigned(1))))
        #expect(try read(xz).blobs[0].compression == .xz)
    }

    @Test(
        "names with path parts are refused",
        arguments: ["", ".", "..", "/etc/passwd", "a/b", "../x", "a\u{0}b", "a\nb"])
    func names(name: String) { #expect(problem(blobs(blob(name))) == .badName(name)) }

    @Test("chunks listed twice or past the end, and repeated names, are refused")
    func chunks() {
        #expect(problem(blobs(blob("a"), blob("a"))) == .duplicateName("a"))
        #expect(problem(blobs(blob("a", disk: [32]))) == .chunkOutOfRange(.disk, 32))
        #expect(problem(blobs(blob("a", memory: [20]))) == .chunkOutOfRange(.memory, 20))
        #expect(problem(blobs(blob("a", memory: [3]), blob("b", memory: [3]))) == .duplicateChunk(.memory, 3))
        #expect(problem(blobs(blob("a", disk: [1, 1]))) == .duplicateChunk(.disk, 1))
        #expect(problem(blobs(blob("a", disk: [1 << 40]))) != nil)
        #expect(problem(blobs(blob("a", size: 1 << 50))) != nil)
    }

    @Test(
        "sizes too small for a file of the blob's compression are refused",
        arguments: [(1, [0, 1, 4, 28, 31]), (16, [0, 1, 8])] as [(UInt64, [UInt64])])
    func impossibleSizes(compression: UInt64, sizes: [UInt64]) throws {
        func meta(_ size: UInt64) throws -> [UInt8] {
            guard case .map(var pairs) = blob("a", size: size) else { return [] }
            pairs.append(.init(.text("overlay_compression"), .unsigned(compression)))
            return blobs(.map(pairs))
        }
        for size in sizes {
            guard case .badValue(let text)? = problem(try meta(size)) else {
                Issue.record("\(size) bytes are accepted")
                continue
            }
            #expect(text.hasPrefix("the blob 'a' can't have \(size) bytes: "), "\(text)")
        }
        // An empty xz file, which the original writes at the end of some overlays, and an empty frame of zstd.
        #expect(try read(meta(compression == 1 ? 32 : 9)).blobs.count == 1)
        guard case .map(var pages) = blob("a", size: compression == 1 ? 32 : 9, disk: [1]) else { return }
        pages.append(.init(.text("overlay_compression"), .unsigned(compression)))
        guard case .badValue? = problem(blobs(.map(pages))) else {
            Issue.record("an empty file brings a page")
            return
        }
        let noDisk = self.meta { pairs in
            pairs = pairs.map { $0.key == .text("resumed_vm_disk_size") ? .init($0.key, .unsigned(0)) : $0 }
        }
        #expect(problem(noDisk) == .badValue("a disk of 0 bytes is not possible"))
    }

    @Test("one chunk listed twice among others is found, in images of any size", arguments: [1 << 24, 1 << 40])
    func repeatedChunks(imageBytes: Int) throws {
        var random = SeededRandom(seed: UInt64(imageBytes))
        for count in [1, 3, 60, 4000] {
            var chunks: Set<UInt32> = []
            while chunks.count < count {
                chunks.insert(UInt32.random(in: 0..<UInt32(imageBytes / 4096), using: &random))
            }
            var list = chunks.shuffled(using: &random)
            func meta() -> OverlayMeta {
                let half = list.count / 2
                return OverlayMeta(
                    baseHash: SHA256Digest(hashing: example.span), diskSize: imageBytes, memorySize: imageBytes,
                    blobs: [
                        .init(name: "a", size: 64, diskChunks: Array(list[..<half]), memoryChunks: Array(chunks)),
                        .init(name: "b", size: 64, diskChunks: Array(list[half...]), memoryChunks: []),
                    ])
            }
            #expect(try read(meta().encoded()) == meta())
            let twice = try #require(list.randomElement(using: &random))
            list.insert(twice, at: Int.random(in: 0...list.count, using: &random))
            #expect(problem(meta().encoded()) == .duplicateChunk(.disk, Int(twice)))
        }
    }

    @Test("a small meta that announces large images takes no memory for them")
    func largeImages() async {
        await #expect(processExitsWith: .success) {
            let meta = OverlayMeta(
                baseHash: SHA256Digest(hashing: [1].span), diskSize: 1 << 40, memorySize: 1 << 40,
                blobs: [.init(name: "a", size: 64, diskChunks: [7, (1 << 28) - 1, 0], memoryChunks: [1])])
            let bytes = meta.encoded()
            let before = try peakMemory(reset: true)
            #expect(try bytes.count < 256 && OverlayMeta(reading: bytes.span) == meta)
            #expect(try peakMemory(reset: false) - before < 8)
        }
    }

    @Test("a meta that readers would refuse is not written")
    func tooLarge() throws {
        let meta = try read(example)
        var limits = OverlayMeta.Limits()
        #expect(try meta.encoded(within: limits) == example)
        limits.metaBytes = example.count - 1
        let error = #expect(throws: CloudletError.self) { try meta.encoded(within: limits) }
        #expect(error?.message.contains("16 changed pages") == true && error?.advice != nil)
    }

    @Test("the length of an integer is known without writing it")
    func integerLengths() {
        for value in [0, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFF_FFFF, 0x1_0000_0000, .max] as [UInt64] {
            var writer = MessagePackWriter()
            writer.write(value)
            #expect(writer.bytes.count == MessagePackWriter.byteCount(of: value))
        }
    }

    @Test("messages contain keys and names shortened and made harmless")
    func longTexts() throws {
        let long = "a\u{1B}[2J" + String(repeating: "x", count: 1 << 20)
        for bytes in [
            meta { for _ in 0..<2 { $0.append(.init(.text(long), .nil)) } }, blobs(blob(long)),
            blobs(blob("a"), .map(Array(repeating: .init(.text(long), .nil), count: 2))),
            meta { $0.append(.init(.text("port_forwards"), .array([.text(long)]))) },
        ] {
            let error = try #require(#expect(throws: OverlayFormatError.self) { try read(bytes) })
            for text in [error.description, error.located(in: long).description] {
                #expect(text.utf8.count < 400 && !text.contains("\u{1B}"))
            }
        }
    }

    @Test("counts larger than the input can hold are refused")
    func bombs() {
        #expect(problem(hex("dfffffffff")) != nil && problem(hex("81 ad6f7665726c61795f66696c6573 ddffffffff")) != nil)
    }
}
