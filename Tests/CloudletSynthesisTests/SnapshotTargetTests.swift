// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import Testing

@testable import CloudletSynthesis

/// Where pages of a memory snapshot go, into fresh memory and into such that holds the base's pages.
@Suite struct SnapshotTargetTests {
    private static let pages = 64

    @Test("pages and zeros are where they belong, in RAM, behind it and across its end", arguments: [false, true])
    func placing(isFilled: Bool) throws {
        let scratch = try ScratchDirectory()
        let size = Self.pages * Page.size
        let memory = try SharedMemory(named: "test", size: size)
        let tail = try scratch.write("tail", [UInt8](repeating: 0, count: 8 * Page.size))
        var expected = [UInt8](repeating: isFilled ? 7 : 0, count: size) + [UInt8](repeating: 0, count: 8 * Page.size)
        if isFilled { try memory.write(expected[0..<size].span, at: 0) }
        let target = SnapshotTarget(memory: memory, tail: tail, isFilled: isFilled)
        func place(_ pages: Range<Int>, _ value: UInt8) throws {
            let bytes = [UInt8](repeating: value, count: pages.count * Page.size)
            if value == 0 {
                try target.placeZeros(bytes.count, at: pages.lowerBound * Page.size)
            } else {
                try target.place(bytes.span, at: pages.lowerBound * Page.size)
            }
            expected.replaceSubrange(pages.lowerBound * Page.size..<pages.upperBound * Page.size, with: bytes)
        }
        try place(0..<3, 1)
        try place(3..<20, 0)
        try place(40..<41, 2)
        try place(60..<66, 3)
        try place(66..<67, 0)
        try place(69..<71, 4)
        #expect(try memory.file.read(size, at: 0) == Array(expected[0..<size]))
        #expect(try tail.read(8 * Page.size, at: 0) == Array(expected[size...]))
        var page = [UInt8](repeating: 9, count: Page.size)
        for number in [0, 3, 40, 61, 65, 66, 70] {
            try target.read(into: &page, count: Page.size, at: number * Page.size)
            #expect(page == Array(expected[number * Page.size..<(number + 1) * Page.size]))
        }
        // What is zeros takes no memory.
        #expect(try memory.file.status().allocated == (isFilled ? Self.pages - 17 : 8) * Page.size)
    }

    @Test("zeros behind the RAM take no disk space")
    func sparseTail() throws {
        let scratch = try ScratchDirectory()
        let memory = try SharedMemory(named: "test", size: Page.size)
        let tail = try scratch.write("tail", [])
        try tail.resize(to: 64 << 20)
        let target = SnapshotTarget(memory: memory, tail: tail, isFilled: false)
        try target.placeZeros(64 << 20, at: Page.size)
        #expect(try tail.status().allocated == 0)
        #expect(try tail.status().size == 64 << 20)
    }

    @Test("zeros that cross the end of RAM")
    func zerosAcross() throws {
        let scratch = try ScratchDirectory()
        let memory = try SharedMemory(named: "test", size: 4 * Page.size)
        let filled = [UInt8](repeating: 7, count: 4 * Page.size)
        try memory.write(filled.span, at: 0)
        let tail = try scratch.write("tail", filled)
        let target = SnapshotTarget(memory: memory, tail: tail, isFilled: true)
        try target.placeZeros(4 * Page.size, at: 2 * Page.size)
        let half = [UInt8](repeating: 7, count: 2 * Page.size)
        let none = [UInt8](repeating: 0, count: 2 * Page.size)
        #expect(try memory.file.read(4 * Page.size, at: 0) == half + none)
        #expect(try tail.read(4 * Page.size, at: 0) == none + half)
    }
}
