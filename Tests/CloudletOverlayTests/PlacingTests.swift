// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletOverlay

/// Pages are collected before they are placed.
@Suite struct PlacingTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private static let pages = 200

    @Test("scattered pages are placed at their offsets, and can refer to any earlier page")
    func scattered() throws {
        let base = try scratch.write("base.raw", [UInt8](repeating: 0, count: Self.pages * Page.size))
        let target = CopyTarget(try scratch.write("rebuilt", [UInt8](repeating: 0, count: Self.pages * Page.size)))
        // Runs of three pages with holes between them, the last first; more than is collected at once.
        let order: [Int] = (0..<Self.pages).filter { $0 % 4 != 3 }.reversed()
        var items: [UInt8] = []
        var expected = [UInt8](repeating: 0, count: Self.pages * Page.size)
        func place(_ page: Int, _ content: DeltaItem.Content, _ byte: UInt8) {
            DeltaItem(.disk, offset: page * Page.size, length: Page.size, content).appendHeader(to: &items)
            let bytes = [UInt8](repeating: byte, count: Page.size)
            if case .raw = content { items += bytes }
            expected.replaceSubrange(page * Page.size..<(page + 1) * Page.size, with: bytes)
        }
        for (number, page) in order.enumerated() {
            // Every fifth is the same as the one that came seven, or seventy, items before.
            let back = number % 10 == 0 ? 70 : 7
            if number % 5 == 0, number >= back {
                let former = order[number - back]
                place(page, .sameAs(.disk, offset: former * Page.size), expected[former * Page.size])
            } else {
                place(page, .raw(payload: Page.size), UInt8(truncatingIfNeeded: page + 1))
            }
        }
        var applier = BlobApplier(
            .init(name: "b", size: 0, diskChunks: order.map(UInt32.init), memoryChunks: []),
            geometry: OverlayGeometry(
                disk: Self.pages * Page.size, memory: 0, baseDisk: Self.pages * Page.size, baseMemory: nil),
            base: try BaseImages(disk: base, memory: nil), targets: PageTargets(memory: target, disk: target))
        try applier.apply(items.span)
        try applier.finish()
        #expect(try target.file.read(1 << 20, at: 0) == expected)
    }
}
