// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import Testing

@testable import CloudletOverlay

@Suite struct DeltaItemTests {
    private let geometry = OverlayGeometry(disk: 131072, memory: 78732, baseDisk: 131072, baseMemory: 78732)

    private func items(_ bytes: [UInt8], piece: Int = .max) throws -> [(DeltaItem, [UInt8])] {
        var reader = DeltaItemReader(geometry)
        var found: [(DeltaItem, [UInt8])] = []
        var position = 0
        while position < bytes.count {
            let end = min(bytes.count, position + min(piece, bytes.count))
            try reader.feed(bytes.span.extracting(position..<end)) { (item, payload) throws(CloudletError) in
                found.append((item, [UInt8](copying: payload)))
            }
            position = end
        }
        try reader.finish()
        return found
    }

    /// The original's examples: elijah-0.8 reference, section 2.5.
    private static let examples: [(String, DeltaItem)] = [
        (
            "000000000000b000 1000 42 000000000000c200",
            DeltaItem(.disk, offset: 0xB000, length: 4096, .baseDisk(offset: 0xC200))
        ),
        (
            "000000000000b000 1000 51 0000000000003000",
            DeltaItem(.memory, offset: 0xB000, length: 4096, .baseMemory(offset: 0x3000))
        ),
        ("0000000000007000 1000 61", DeltaItem(.memory, offset: 0x7000, length: 4096, .zeros)),
        (
            "000000000000d000 1000 31 0000000000018001",
            DeltaItem(.memory, offset: 0xD000, length: 4096, .sameAs(.memory, offset: 0xC000))
        ),
        (
            "000000000000e000 1000 32 0000000000018001",
            DeltaItem(.disk, offset: 0xE000, length: 4096, .sameAs(.memory, offset: 0xC000))
        ),
    ]

    @Test("the original's examples are read and written byte for byte", arguments: examples)
    func originalExamples(bytes: String, item: DeltaItem) throws {
        let found = try items(hex(bytes))
        #expect(found.count == 1 && found[0].0 == item && found[0].1.isEmpty)
        var written: [UInt8] = []
        item.appendHeader(to: &written)
        #expect(written == hex(bytes))
    }

    @Test("items with payloads are read from pieces of any size", arguments: [1, 2, 7, 11, 100, 4096, 100_000])
    func pieces(piece: Int) throws {
        let lastPage = Array(repeating: UInt8(5), count: 908)
        let patch = hex("d6c3c400 00 01 a000 00 13 a000 00 05 06 02 48454c4c4f 13640613 9f17 0069")
        let page = (0..<4096).map { UInt8(truncatingIfNeeded: $0) }
        var bytes = hex("0000000000013000 038c 11 000000000000038c") + lastPage
        bytes += hex("0000000000002000 1000 22 000000000000001d") + patch
        bytes += Self.examples.flatMap { hex($0.0) }
        bytes += hex("0000000000004000 1000 11 0000000000001000") + page
        let found = try items(bytes, piece: piece)
        #expect(found.count == 8)
        #expect(
            found[0].0 == DeltaItem(.memory, offset: 0x13000, length: 908, .raw(payload: 908)) && found[0].1 == lastPage
        )
        #expect(found[1].0.content == .xdelta(payload: 29) && found[1].1 == patch)
        #expect(found[7].1 == page)
    }

    @Test(
        "hostile items are refused with item and byte",
        arguments: [
            ("0000000000007000 1000 60", OverlayFormatError.Problem.unknownImage(0)),
            ("0000000000007000 1000 63", .unknownImage(3)), ("0000000000007000 1000 71", .unknownKind(0x70)),
            ("0000000000007000 1000 01", .unknownKind(0)), ("0000000000007001 1000 61", .badOffset(0x7001)),
            ("0000000000020000 1000 62", .badOffset(0x20000)), ("ffffffffffffffff 1000 61", .badOffset(.max)),
            ("0000000000007000 0fff 61", .badLength(4095, expected: 4096)),
            ("0000000000013000 1000 61", .badLength(4096, expected: 908)),
            ("0000000000007000 0000 61", .badLength(0, expected: 4096)),
            ("0000000000007000 1000 11 0000000000000fff", .badPayloadLength(4095)),
            ("0000000000007000 1000 11 ffffffffffffffff", .badPayloadLength(.max)),
            ("0000000000007000 1000 21 0000000000001001", .badPayloadLength(4097)),
            ("0000000000007000 1000 21 0000000000000000", .badPayloadLength(0)),
            ("0000000000007000 1000 42 000000000000c201", .referenceUnaligned(.disk, 0xC201)),
            ("0000000000007000 1000 42 0000000000020000", .referenceOutOfRange(.disk, 0x20000)),
            ("0000000000007000 1000 42 000000000001f200", .referenceOutOfRange(.disk, 0x1F200)),
            ("0000000000007000 1000 51 0000000000003200", .referenceUnaligned(.memory, 0x3200)),
            ("0000000000007000 1000 51 0000000000013000", .referenceOutOfRange(.memory, 0x13000)),
            ("0000000000007000 1000 31 0000000000018000", .selfReferenceUnknown(0x18000)),
            ("0000000000007000 1000 31 0000000000018003", .selfReferenceUnknown(0x18003)),
            ("0000000000007000 1000 31 0000000000040002", .selfReferenceUnknown(0x40002)),
            ("0000000000007000 1000 31 ffffffffffffe001", .selfReferenceUnknown(0xFFFF_FFFF_FFFF_E001)),
            ("0000000000005000 1000 32 0000000000026001", .selfReferenceLength(0x26001, 908, expected: 4096)),
            ("0000000000013000 038c 31 0000000000018001", .selfReferenceLength(0x18001, 4096, expected: 908)),
        ])
    func refusals(bytes: String, problem: OverlayFormatError.Problem) {
        let good = hex("0000000000008000 1000 61")
        do {
            _ = try items(good + hex(bytes))
            Issue.record("accepted")
        } catch DeltaReadFailure.format(let error) {
            #expect(error == OverlayFormatError(problem, item: 1, byte: 11))
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test("a blob that ends inside an item is refused", arguments: [1, 10, 12, 18, 19, 100])
    func truncation(count: Int) {
        let bytes = hex("0000000000004000 1000 11 0000000000001000") + Array(repeating: 1, count: 4096)
        #expect(throws: OverlayFormatError(.truncatedItem, item: 0, byte: 0)) { try items(Array(bytes.prefix(count))) }
    }
}
