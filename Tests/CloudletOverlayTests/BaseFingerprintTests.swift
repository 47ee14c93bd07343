// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletOverlay

@Suite struct BaseFingerprintTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// A sparse image: data at odd offsets with holes between, and zeros stored as data.
    private func sparseImage(_ name: String, size: Int, seed: UInt64) throws -> File {
        var random = SeededRandom(seed: seed)
        let file = try scratch.write(name, [])
        try file.resize(to: size)
        for start in [0, 70_000, 1 << 20, (1 << 20) + 300_000, size - 5000] where start >= 0 && start < size {
            let bytes = (0..<Int.random(in: 1...9000, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            try file.write(bytes.span.extracting(0..<min(bytes.count, size - start)), at: start)
        }
        if size > 520_000 { try file.write([UInt8](repeating: 0, count: 20_000), at: 500_000) }
        return file
    }

    private func scratchFile(_ prefix: String) -> (Int) throws(CloudletError) -> File {
        { (number) throws(CloudletError) in
            try File(scratch.file("\(prefix)\(number)"), .create(permissions: 0o600))
        }
    }

    /// The list by the original's rule, computed without optimisations.
    private func plainDiskList(_ bytes: [UInt8]) -> [SHA256Digest: Int] {
        var lowest: [SHA256Digest: Int] = [:]
        for start in stride(from: 0, through: bytes.count - 4096, by: 512) {
            let hash = SHA256Digest(hashing: bytes.span.extracting(start..<start + 4096))
            if lowest[hash] == nil { lowest[hash] = start }
        }
        return lowest
    }

    @Test(
        "the disk list has each distinct window at every 512-byte step once, at its lowest offset",
        arguments: [
            4096, 4608, 70_000 / 512 * 512, 3 << 20,
        ])
    func diskList(size: Int) async throws {
        let disk = try sparseImage("disk\(size)", size: size, seed: UInt64(size))
        let list = try scratch.write("list", [])
        try await DiskFingerprint.writeHashList(of: disk, to: list, makeScratch: scratchFile("s"))
        let expected = plainDiskList(try disk.read(size, at: 0))
        let sorted = try SortedHashList(list)
        #expect(try sorted.count == expected.count && sorted.isSorted())
        var wrong = 0
        try sorted.forEach { if expected[$0.hash] != $0.offset || $0.length != 4096 { wrong += 1 } }
        #expect(wrong == 0)
        for (hash, offset) in expected { #expect(try sorted.offset(of: hash) == offset) }
        #expect(try sorted.offset(of: SHA256Digest(hashing: [1].span)) == nil)
    }

    @Test("the memory list has every page in order, the last one short, and its index each content once")
    func memoryList() async throws {
        let size = (2 << 20) + 908
        let memory = try sparseImage("memory", size: size, seed: 9)
        let list = try scratch.write("list", [])
        let index = try scratch.write("index", [])
        try await MemoryFingerprint.writeHashLists(of: memory, to: list, index: index, makeScratch: scratchFile("s"))
        let bytes = try memory.read(size, at: 0)
        let written = try list.read(1 << 24, at: 0)
        #expect(written.count == 44 * Page.count(covering: size))
        for (number, range) in pieces(of: 0..<size, length: 4096).enumerated() {
            var expected: [UInt8] = []
            expected.appendBigEndian(UInt64(range.lowerBound))
            expected.appendBigEndian(UInt32(range.count))
            expected += SHA256Digest(hashing: bytes.span.extracting(range)).bytes
            #expect(Array(written[number * 44..<number * 44 + 44]) == expected)
        }
        let sorted = try SortedHashList(index)
        #expect(try sorted.isSorted() && sorted.offset(of: PageHash.zero) == nil)
        #expect(try sorted.offset(of: SHA256Digest(hashing: bytes.span.extracting(4096..<8192))) == 4096)
    }

    @Test("the identity is the SHA-256 of the whole image, holes and all")
    func identity() throws {
        let disk = try sparseImage("disk", size: 3 << 20, seed: 4)
        let bytes = try disk.read(3 << 20, at: 0)
        var last = 0
        let identity = try DiskFingerprint.identity(of: disk) { last = $0 }
        #expect(identity == SHA256Digest(hashing: bytes.span) && last == 3 << 20)
        #expect(try MemoryFingerprint.identity(of: disk) == identity)
    }

    @Test("every hash of a large list is found, also where hashes are not spread evenly", arguments: [0, 40, 63])
    func largeList(shift: Int) throws {
        var random = SeededRandom(seed: 7)
        let hashes = (0..<20_000).map { _ in
            let words = (0..<4).map { _ in UInt64.random(in: 0 ... .max, using: &random) }
            return SHA256Digest(words: (words[0] >> UInt64(shift), words[1], words[2], words[3]))
        }.sorted()
        var bytes: [UInt8] = []
        for (number, hash) in hashes.enumerated() where number % 2 == 0 {
            HashRecord(hash: hash, offset: number * Page.size).append(to: &bytes)
        }
        let list = try SortedHashList(try scratch.write("large\(shift)", bytes))
        for (number, hash) in hashes.enumerated() {
            let expected = number % 2 == 0 ? number * Page.size : nil
            #expect(try list.offset(of: hash) == expected)
        }
    }

    @Test("a truncated list is refused")
    func cutList() throws {
        let list = try scratch.write("list", Array(repeating: 0, count: 45))
        #expect(throws: CloudletError.self) { try SortedHashList(list) }
    }

    /// The fingerprint by its definition, computed without optimisations.
    private func plainDataDigest(_ bytes: [UInt8]) -> SHA256Digest {
        var all: [UInt8] = []
        for unit in pieces(of: 0..<bytes.count, length: 65_536) where bytes[unit].contains(where: { $0 != 0 }) {
            all.appendBigEndian(UInt64(unit.lowerBound))
            all += SHA256Digest(hashing: bytes.span.extracting(unit)).bytes
        }
        all.appendBigEndian(UInt64(bytes.count))
        return SHA256Digest(hashing: all.span)
    }

    @Test(
        "the fingerprint of data is that of the definition, with holes as with zeros, and any change changes it",
        arguments: [1, 65_536, 70_001, 9 << 20])
    func dataDigest(size: Int) async throws {
        let file = try sparseImage("data\(size)", size: size, seed: UInt64(size))
        var bytes = try file.read(size, at: 0)
        let digest = try await DataDigest.of(file)
        #expect(digest == plainDataDigest(bytes))
        #expect(try await DataDigest.of(try scratch.write("full\(size)", bytes)) == digest)
        bytes[size / 2] ^= 1
        #expect(try await DataDigest.of(try scratch.write("other\(size)", bytes)) != digest)
        try file.resize(to: size + 1)
        #expect(try await DataDigest.of(file) != digest)
    }
}
