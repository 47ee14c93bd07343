// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletOverlay

@Suite struct VCDIFFTests {
    private func decode(_ patch: [UInt8], _ source: [UInt8], _ length: Int) throws -> [UInt8] {
        var decoder = VCDIFFDecoder()
        try decoder.decode(patch.span, source: source.span, length: length)
        return decoder.output
    }

    private func encode(_ source: [UInt8], _ target: [UInt8], limit: Int = 4096) -> [UInt8]? {
        var encoder = VCDIFFEncoder()
        return encoder.encode(source: source.span, target: target.span, limit: limit) ? encoder.patch : nil
    }

    /// The patch of the original's example: elijah-0.8 reference, section 2.5.
    private let example = hex("d6c3c400 00 01 a000 00 13 a000 00 05 06 02 48454c4c4f 13640613 9f17 0069")

    @Test("the original's example gives the page, and we make the same patch")
    func originalExample() throws {
        let source = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        var target = source
        target.replaceSubrange(100..<105, with: Array("HELLO".utf8))
        #expect(try decode(example, source, 4096) == target)
        #expect(encode(source, target) == example)
    }

    @Test("the code table has the entries of RFC 3284")
    func codeTable() {
        #expect(VCDIFFCodeTable.entries.count == 256)
        func text(_ code: Int) -> String {
            let entry = VCDIFFCodeTable.entries[code]
            return "\(entry.first.operation) \(entry.first.size) / \(entry.second.operation) \(entry.second.size)"
        }
        #expect(text(0) == "run 0 / none 0")
        #expect(text(1) == "add 0 / none 0" && text(18) == "add 17 / none 0")
        #expect(text(19) == "copy(mode: 0) 0 / none 0" && text(34) == "copy(mode: 0) 18 / none 0")
        #expect(text(162) == "copy(mode: 8) 18 / none 0")
        #expect(text(163) == "add 1 / copy(mode: 0) 4" && text(174) == "add 4 / copy(mode: 0) 6")
        #expect(text(235) == "add 1 / copy(mode: 6) 4" && text(246) == "add 4 / copy(mode: 8) 4")
        #expect(text(247) == "copy(mode: 0) 4 / add 1" && text(255) == "copy(mode: 8) 4 / add 1")
    }

    @Test("every page comes back from the patch against any other page", arguments: 0..<50)
    func roundTrip(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let source = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }
        var target = source
        for _ in 0..<Int.random(in: 0...40, using: &random) {
            let start = Int.random(in: 0..<4096, using: &random)
            for index in start..<min(4096, start + Int.random(in: 0...60, using: &random)) {
                target[index] = UInt8.random(in: 0...255, using: &random)
            }
        }
        let patch = try #require(encode(source, target, limit: 1 << 20))
        #expect(try decode(patch, source, 4096) == target)
        if let short = encode(source, target, limit: 200) { #expect(short.count <= 200 && short == patch) }
    }

    @Test("short pages and a source shorter than the target")
    func shortPages() throws {
        let source = Array(repeating: UInt8(7), count: 500)
        let target = Array(repeating: UInt8(7), count: 908)
        let patch = try #require(encode(source, target))
        #expect(try decode(patch, source, 908) == target)
    }

    @Test("RUN, HERE, NEAR and SAME addresses and double codes are decoded")
    func allModes() throws {
        // Built by hand after RFC 3284: RUN 8 'z'; COPY 4 mode 0 at 10; COPY 4 mode HERE 8 back; COPY 4 mode NEAR0
        // +2; COPY 4 mode SAME (address 10 again); ADD 1 + COPY 4 mode 0 at 20; COPY 4 mode 0 at 0 + ADD 1.
        let instructions = hex("00 08 14 24 34 74 a3 f7")
        let data: [UInt8] = [UInt8(ascii: "z"), UInt8(ascii: "a"), UInt8(ascii: "b")]
        let addresses: [UInt8] = [10, 8, 2, 10, 20, 0]
        let source = Array(UInt8(100)..<UInt8(164))
        var target = Array(repeating: UInt8(ascii: "z"), count: 8) + source[10..<14]
        target += target[4..<8]
        target += source[12..<16] + source[10..<14] + [UInt8(ascii: "a")] + source[20..<24] + source[0..<4]
        target += [UInt8(ascii: "b")]
        var delta = [UInt8(target.count), 0, UInt8(data.count), UInt8(instructions.count), UInt8(addresses.count)]
        delta += data + instructions + addresses
        let patch = hex("d6c3c400 00 01 40 00") + [UInt8(delta.count)] + delta
        #expect(try decode(patch, source, target.count) == target)
    }

    @Test("patches that xdelta3 made are applied, of pages in which things moved", arguments: 0..<40)
    func foreignPatches(seed: Int) async throws {
        let scratch = try ScratchDirectory()
        var random = SeededRandom(seed: UInt64(seed))
        let records = (0..<64).map { _ in (0..<64).map { _ in UInt8.random(in: 0...255, using: &random) } }
        let source = Array(records.joined())
        // Records that were swapped, shifted, repeated, and runs of one byte, with new bytes here and there.
        var target: [UInt8] = []
        while target.count < 4096 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0: target += [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: 40)
            case 1:
                target += (0..<Int.random(in: 1...9, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
            case 2 where target.count > 300: target += target[(target.count - 300)..<(target.count - 220)]
            default:
                let record = records.randomElement(using: &random) ?? []
                target += record.dropFirst(Int.random(in: 0...20, using: &random))
            }
        }
        target = Array(target.prefix(4096))
        let (old, new) = (try scratch.write("old", source), try scratch.write("new", target))
        let patch = scratch.file("patch")
        let made = try await Tool.run(
            "xdelta3",
            ["-e", "-9", "-n", "-S", "none", "-A=", "-s", old.path.string, new.path.string, patch.string])
        #expect(made.status == 0, "\(made.errors)")
        #expect(try decode(try File(patch, .read).read(1 << 20, at: 0), source, 4096) == target)
    }

    @Test(
        "hostile patches are refused",
        arguments: [
            ("", VCDIFFError.notVCDIFF), ("d6c3c4", .notVCDIFF), ("d6c3c401 00", .notVCDIFF),
            ("d6c3c400 01", .unsupportedHeader), ("d6c3c400 00", .truncated), ("d6c3c400 00 02", .unsupportedWindow),
            ("d6c3c400 00 05", .unsupportedWindow), ("d6c3c400 00 01 a001 00", .sourceOutOfRange),
            ("d6c3c400 00 01 a000 01", .sourceOutOfRange), ("d6c3c400 00 01 ffffffffff7f 00", .integerTooLarge),
            ("d6c3c400 00 00 7f", .truncated),
            // A target larger than the page; a window with a compressed section; sections longer than the delta.
            ("d6c3c400 00 00 06 a001 00 00 00 00", .outputTooLong),
            ("d6c3c400 00 00 05 04 01 00 00 00", .unsupportedWindow),
            ("d6c3c400 00 00 05 04 00 7f 00 00", .truncated), ("d6c3c400 00 00 06 00 00 00 00 00 ff", .leftovers),
            // ADD of more than the window; ADD without data; COPY from the future; RUN without end; too little output.
            ("d6c3c400 00 00 08 04 00 01 01 00 41 06 00", .leftovers),
            ("d6c3c400 00 00 06 01 00 00 01 00 02", .truncated),
            ("d6c3c400 00 00 07 04 00 00 01 01 14 09", .addressOutOfRange),
            ("d6c3c400 00 00 08 04 00 01 02 00 41 00 7f", .outputTooLong),
            ("d6c3c400 00 00 07 04 00 01 01 00 41 02", .wrongTargetLength),
        ])
    func refusals(patch: String, expected: VCDIFFError) {
        let source = [UInt8](repeating: 0, count: 4096)
        let error = #expect(throws: VCDIFFError.self) { try decode(hex(patch), source, 4096) }
        #expect(error == expected)
    }

    @Test("any damage to a patch gives a page of the right length or an error, never more")
    func damage() {
        let source = [UInt8](repeating: 1, count: 4096)
        for position in example.indices {
            for bit in 0..<8 {
                var patch = example
                patch[position] ^= 1 << UInt8(bit)
                if let result = try? decode(patch, source, 4096) { #expect(result.count == 4096) }
            }
        }
    }
}
