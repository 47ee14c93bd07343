// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@Suite struct PageTests {
    @Test(
        "sizes are counted and rounded in whole pages, without overflow",
        arguments: [
            (0, 0, 0), (1, 1, 4096), (4095, 1, 4096), (4096, 1, 4096), (4097, 2, 8192),
            (Int.max, Int.max / 4096 + 1, Int.max / 4096 * 4096),
        ])
    func counts(bytes: Int, pages: Int, rounded: Int) {
        #expect(Page.count(covering: bytes) == pages && Page.roundUp(bytes) == rounded)
    }

    // Spans can't be taken apart by #expect.
    private func isZero(_ bytes: [UInt8]) -> Bool { bytes.span.isAllZeros }

    private func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool { left.span.hasSameBytes(as: right.span) }

    @Test("a byte that is not zero is found at every position", arguments: [1, 2, 7, 8, 9, 4095, 4096])
    func zeros(count: Int) {
        var bytes = [UInt8](repeating: 0, count: count)
        #expect(isZero(bytes) && isZero([]))
        for position in Set([0, count / 2, count - 1]) {
            bytes[position] = 1
            #expect(!isZero(bytes))
            bytes[position] = 0
        }
    }

    @Test("spans are the same if they have the same length and bytes")
    func sameBytes() {
        #expect(isSame([1, 2, 3], [1, 2, 3]) && isSame([], []))
        #expect(!isSame([1, 2, 3], [1, 2, 4]) && !isSame([1, 2, 3], [1, 2, 3, 4]))
    }

    @Test("a text is cut to whole characters that fit into a number of bytes")
    func cutting() {
        let text = "aé👩‍🚀b"
        #expect(text.cut(toBytes: 100) == text && text.cut(toBytes: 0).isEmpty)
        #expect(text.cut(toBytes: 2) == "a" && text.cut(toBytes: 3) == "aé")
        #expect(text.cut(toBytes: text.utf8.count - 2) == "aé")
        #expect(text.cut(toBytes: text.utf8.count - 1) == "aé👩‍🚀")
    }
}
