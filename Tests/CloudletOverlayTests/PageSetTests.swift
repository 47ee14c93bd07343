// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import Testing

@testable import CloudletOverlay

@Suite struct PageSetTests {
    /// A set with runs of pages, and the same as an array of truth values.
    private func random(_ seed: Int, bound: Int) -> (set: PageSet, pages: [Bool]) {
        var random = SeededRandom(seed: UInt64(seed))
        var set = PageSet(bound: bound)
        var pages = [Bool](repeating: false, count: bound)
        var page = 0
        while page < bound {
            let end = min(bound, page + Int.random(in: 1...100, using: &random))
            if Bool.random(using: &random) { for member in page..<end { pages[member] = true } }
            page = end
        }
        for page in pages.indices.shuffled(using: &random) where pages[page] { set.insert(page) }
        return (set, pages)
    }

    @Test("members, runs and gaps are those of the pages inserted", arguments: 0..<20)
    func members(seed: Int) {
        let bound = [0, 1, 63, 64, 65, 1000][seed % 6]
        let (set, pages) = random(seed, bound: bound)
        #expect(set.count == pages.count { $0 })
        #expect((-1...bound + 70).allSatisfy { set.contains($0) == (pages.indices.contains($0) && pages[$0]) })
        for member in [true, false] {
            var found: [Int] = []
            var lastEnd = -1
            set.forEachRun(in: 0..<bound, member: member) { run in
                #expect(run.lowerBound > lastEnd && !run.isEmpty)
                lastEnd = run.upperBound
                found += run
            }
            #expect(found == pages.indices.filter { pages[$0] == member })
        }
    }

    @Test("a page is inserted once")
    func insertion() {
        var set = PageSet(bound: 100)
        #expect(set.insert(64) && !set.insert(64) && set.count == 1)
    }

    @Test("gaps are ranges of bytes, cut to the range asked for")
    func gaps() {
        var set = PageSet(bound: 4)
        set.insert(1)
        #expect(set.gaps(in: 100..<3 * 4096 + 5) == [100..<4096, 2 * 4096..<3 * 4096 + 5])
        #expect(set.gaps(in: 4096..<8192).isEmpty)
    }
}
