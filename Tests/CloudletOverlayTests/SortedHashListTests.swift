// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Testing

@testable import CloudletOverlay

/// Lookups in lists whose hashes are not uniform or not sorted.
@Suite struct SortedHashListTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private func list(_ name: String, _ hashes: [SHA256Digest]) throws -> SortedHashList {
        var bytes: [UInt8] = []
        for (number, hash) in hashes.enumerated() {
            HashRecord(hash: hash, offset: number * Page.size).append(to: &bytes)
        }
        return try SortedHashList(try scratch.write(name, bytes))
    }

    private func hash(_ prefix: UInt64, _ rest: UInt64 = 0) -> SHA256Digest {
        SHA256Digest(words: (prefix, 0, 0, rest))
    }

    @Test("a guess is never past the end of a list")
    func guessBehindTheEnd() throws {
        let sorted = try list("sorted", (0..<100).map { hash($0) })
        #expect(try sorted.isSorted() && sorted.offset(of: hash(0x51EB_851E_B851_EB85)) == nil)
    }

    /// Clustered prefixes: near a few values, at both ends, and some spread evenly; a few are equal.
    private func clustered(_ random: inout SeededRandom) -> [SHA256Digest] {
        let centres = (0..<Int.random(in: 1...5, using: &random)).map { _ in
            [0, .max, UInt64.random(in: 0 ... .max, using: &random)].randomElement(using: &random) ?? 0
        }
        let width = UInt64(1) << UInt64.random(in: 0...62, using: &random)
        var hashes: Set<SHA256Digest> = []
        for _ in 0..<Int.random(in: 1...400, using: &random) {
            let distance = UInt64.random(in: 0..<width, using: &random)
            let centre = centres.randomElement(using: &random) ?? 0
            let prefix =
                Int.random(in: 0..<10, using: &random) == 0
                ? UInt64.random(in: 0 ... .max, using: &random)
                : Bool.random(using: &random) ? centre &+ distance : centre &- distance
            hashes.insert(hash(prefix, UInt64.random(in: 0..<3, using: &random)))
        }
        return hashes.sorted()
    }

    @Test("clustered hashes are all found in a sorted list, and no lookup reads outside of any list", arguments: 0..<40)
    func heaps(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let hashes = clustered(&random)
        let sorted = try list("sorted", hashes)
        #expect(try sorted.isSorted())
        for (number, hash) in hashes.enumerated() { #expect(try sorted.offset(of: hash) == number * Page.size) }
        let mixed = hashes.shuffled(using: &random)
        let unsorted = try list("unsorted", mixed)
        let wanted = hashes + clustered(&random) + (0..<200).map { _ in hash(.random(in: 0 ... .max, using: &random)) }
        let known = Set(hashes)
        for hash in wanted {
            if !known.contains(hash) { #expect(try sorted.offset(of: hash) == nil) }
            if let offset = try unsorted.offset(of: hash) { #expect(mixed[offset / Page.size] == hash) }
        }
    }

    @Test("a list that is cut while it is open gives an error")
    func cut() throws {
        let hashes = (0..<400).map { hash(UInt64($0) << 55) }
        let list = try list("cut", hashes)
        #expect(try list.offset(of: hashes[300]) == 300 * Page.size)
        try File(scratch.file("cut"), .readWrite).resize(to: 100)
        let error = #expect(throws: CloudletError.self) { try list.offset(of: hashes[300]) }
        #expect(error?.code == .io && error?.description.contains("cut became shorter") == true, "\(error as Any)")
        #expect(throws: CloudletError.self) { try list.isSorted() }
    }
}
