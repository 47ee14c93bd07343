// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// Our images before QEMU's own tool.
@Suite struct QCOW2ImageTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private func page(_ value: UInt8) -> [UInt8] { [UInt8](repeating: value, count: Page.size) }

    /// A base disk of `pages` pages, every third a hole.
    private func baseDisk(pages: Int, extra: Int = 0) throws -> (File, [UInt8]) {
        var bytes: [UInt8] = []
        for number in 0..<pages { bytes += page(number % 3 == 2 ? 0 : UInt8(truncatingIfNeeded: number % 250 + 1)) }
        bytes += [UInt8](repeating: 9, count: extra)
        return (try scratch.write("base.raw", bytes), bytes)
    }

    private func convert(_ image: FilePath) async throws -> [UInt8] {
        let check = try await Tool.run("qemu-img", ["check", "-f", "qcow2", image.string])
        #expect(check.status == 0, "\(check.output)\(check.errors)")
        let raw = scratch.file("out-\(UInt32.random(in: 0 ... .max)).raw")
        let converted = try await Tool.run(
            "qemu-img", ["convert", "-f", "qcow2", "-O", "raw", image.string, raw.string])
        #expect(converted.status == 0, "\(converted.errors)")
        let file = try File(raw, .read)
        return try file.read(try file.size(), at: 0)
    }

    @Test("an image without pages is its base, before and after it is finished")
    func empty() async throws {
        let (base, bytes) = try baseDisk(pages: 100, extra: 512)
        let image = try QCOW2Image(scratch.file("a.qcow2"), backing: base.path, size: bytes.count)
        #expect(try await convert(image.path) == bytes)
        try image.finish()
        #expect(try await convert(image.path) == bytes)
    }

    @Test("placed runs of pages and zeros are in the image, everything else is the base's", arguments: 0..<4)
    func pages(seed: Int) async throws {
        var random = SeededRandom(seed: UInt64(seed))
        var (base, bytes) = try baseDisk(pages: 3000, extra: seed == 0 ? 0 : 1024)
        let image = try QCOW2Image(scratch.file("a.qcow2"), backing: base.path, size: bytes.count)
        for _ in 0..<400 {
            let number = Int.random(in: 0..<Page.count(covering: bytes.count), using: &random)
            let count = Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 2...70, using: &random) : 1
            let range = number * Page.size..<min((number + count) * Page.size, bytes.count)
            if count == 1, Bool.random(using: &random) {
                try image.placeZeros(range.count, at: range.lowerBound)
                bytes.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
            } else {
                let content = pieces(of: range, length: Page.size).flatMap {
                    [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: $0.count)
                }
                try image.place(content.span, at: range.lowerBound)
                bytes.replaceSubrange(range, with: content)
            }
            for page in pieces(of: range, length: Page.size) {
                var read = [UInt8](repeating: 1, count: Page.size)
                try image.read(into: &read, count: page.count, at: page.lowerBound)
                #expect(read[0..<page.count] == bytes[page])
            }
        }
        try image.finish()
        #expect(try await convert(image.path) == bytes)
    }

    @Test("a large disk costs tables only where pages are")
    func largeDisk() async throws {
        let base = try scratch.write("big.raw", [])
        try base.resize(to: 3 << 40)
        let image = try QCOW2Image(scratch.file("a.qcow2"), backing: base.path, size: 3 << 40)
        try image.place(page(1).span, at: 0)
        try image.place(page(2).span, at: (3 << 40) - Page.size)
        try image.finish()
        let check = try await Tool.run("qemu-img", ["check", "-f", "qcow2", image.path.string])
        #expect(check.status == 0, "\(check.output)\(check.errors)")
        let map = try await ImageMap.changes(in: image.path, size: 3 << 40)
        #expect(map.extents.map(\.range) == [0..<4096, (3 << 40) - 4096..<3 << 40])
        #expect(try FileStatus.of(image.path)?.allocated ?? 0 < 4 << 20)
    }

    @Test("what was written to an image is found again, page by page")
    func changes() async throws {
        let (base, bytes) = try baseDisk(pages: 300)
        let image = try QCOW2Image(scratch.file("a.qcow2"), backing: base.path, size: bytes.count)
        try image.place(page(7).span, at: 5 * Page.size)
        try image.placeZeros(Page.size, at: 7 * Page.size)
        try image.place(page(8).span, at: 200 * Page.size)
        try image.finish()
        let changes = try await ImageMap.changes(in: image.path, size: bytes.count)
        #expect(changes.extents.map(\.range) == [5, 7, 200].map { $0 * 4096..<($0 + 1) * 4096 })
        guard case .file(let file, let offset) = changes.extents[2].source else {
            Issue.record("no file")
            return
        }
        #expect(try file.read(Page.size, at: offset) == page(8))
        guard case .zeros = changes.extents[1].source else {
            Issue.record("no zeros")
            return
        }
    }
}
