// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// A set of page numbers below a bound. It takes one bit for each page: 32 KiB for each GiB of image.
package struct PageSet: Sendable, Equatable {
    private var words: [UInt64]
    /// Page numbers are less than this.
    package let bound: Int
    /// How many pages are in the set.
    package private(set) var count = 0

    /// The empty set of pages below `bound`.
    package init(bound: Int) {
        self.bound = bound
        words = [UInt64](repeating: 0, count: (bound + 63) / 64)
    }

    /// Whether a page is in the set; a page outside the bound never is.
    package func contains(_ page: Int) -> Bool {
        page >= 0 && page < bound && words[page >> 6] & (1 << UInt64(page & 63)) != 0
    }

    /// Adds a page.
    /// - Returns: `false` when the page was in the set already.
    @discardableResult
    package mutating func insert(_ page: Int) -> Bool {
        let bit = UInt64(1) << UInt64(page & 63)
        if words[page >> 6] & bit != 0 { return false }
        words[page >> 6] |= bit
        count += 1
        return true
    }

    /// Calls `body` with each run of consecutive pages of `range` that are in the set, or with `member` false, that are
    /// not.
    package func forEachRun<Failure: Error>(
        in range: Range<Int>, member: Bool, _ body: (Range<Int>) throws(Failure) -> Void
    ) throws(Failure) {
        var page = range.lowerBound
        while page < range.upperBound {
            page = next(from: page, to: range.upperBound, member: member)
            guard page < range.upperBound else { return }
            let end = next(from: page, to: range.upperBound, member: !member)
            try body(page..<end)
            page = end
        }
    }

    /// The parts of a range of bytes whose pages are not in the set.
    package func gaps(in range: Range<Int>) -> [Range<Int>] {
        var gaps: [Range<Int>] = []
        let pages = range.lowerBound / Page.size..<Page.count(covering: range.upperBound)
        forEachRun(in: pages, member: false) { run in
            gaps.append((run.lowerBound * Page.size..<run.upperBound * Page.size).clamped(to: range))
        }
        return gaps
    }

    /// The first page from `start` whose membership is `member`, or `end`.
    private func next(from start: Int, to end: Int, member: Bool) -> Int {
        var page = start
        while page < end {
            let word = page >> 6 < words.count ? words[page >> 6] : 0
            let candidates = (member ? word : ~word) >> UInt64(page & 63)
            if candidates != 0 { return min(end, page + candidates.trailingZeroBitCount) }
            page = (page | 63) + 1
        }
        return end
    }
}
