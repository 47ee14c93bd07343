// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletTestSupport
import Testing

@Suite struct XZTests {
    private func compress(_ bytes: [UInt8], _ options: XZEncoder.Options = .init(), piece: Int = 1000) throws -> [UInt8]
    {
        var encoder = try XZEncoder(options)
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: piece) {
            let span = bytes.span.extracting(start..<min(start + piece, bytes.count))
            try encoder.encode(span) { (out) throws(CloudletError) in result.append(copying: out) }
        }
        try encoder.finish { (out) throws(CloudletError) in result.append(copying: out) }
        return result
    }

    private func decompress(_ bytes: [UInt8], memoryLimit: Int = 80 << 20, piece: Int = 777) throws -> [UInt8] {
        var decoder = try XZDecoder(memoryLimit: memoryLimit)
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: piece) {
            let span = bytes.span.extracting(start..<min(start + piece, bytes.count))
            try decoder.decode(span) { (out) throws(CloudletError) in result.append(copying: out) }
        }
        try decoder.finish()
        return result
    }

    private let sample: [UInt8] = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 7 &* 31 ^ ($0 >> 9)) }

    @Test(
        "compressed data is decompressed to the same bytes, in pieces of any size",
        arguments: [1, 100, 70_000, 1 << 20])
    func roundTrip(piece: Int) throws {
        let bytes = piece == 1 ? Array(sample.prefix(5000)) : sample
        #expect(try decompress(try compress(bytes, piece: piece), piece: piece) == bytes)
    }

    @Test("the original's empty blob is read, and ours has the same size")
    func emptyStream() throws {
        let original = hex("fd377a585a0000016922de36 00000000 1cdf4421 9042990d 01000000 0001595a")
        #expect(try decompress(original) == [])
        #expect(try compress([]) == original)
    }

    @Test("preset 9 with a 64 MiB dictionary gives the original's first 24 bytes")
    func originalHeader() throws {
        let bytes = try compress(Array("x".utf8), .init(preset: 9, dictionaryBytes: 64 << 20))
        #expect(Array(bytes.prefix(24)) == hex("fd377a585a0000016922de36 020021011c00000010cf58cc"))
        #expect(try decompress(bytes) == Array("x".utf8))
    }

    @Test("damage, truncation, other formats, trailing bytes and memory limits are reported as such")
    func refusals() throws {
        let good = try compress(sample)
        var damaged = good
        damaged[good.count / 2] ^= 0xFF
        #expect(problem { _ = try decompress(damaged) } == .damaged)
        #expect(problem { _ = try decompress(Array(good.dropLast())) } == .truncated)
        #expect(problem { _ = try decompress([]) } == .truncated)
        #expect(problem { _ = try decompress(Array("BZh91AY&SY and more".utf8)) } == .notThisFormat("xz"))
        #expect(problem { _ = try decompress(good + [0]) } == .trailingBytes)
        #expect(problem { _ = try decompress(good + [0], piece: good.count) } == .trailingBytes)
        let greedy = try compress(sample, .init(preset: 9, dictionaryBytes: 64 << 20))
        #expect(problem { _ = try decompress(greedy, memoryLimit: 1 << 20) } == .memoryLimit(ByteCount(1 << 20)))
    }

    @Test("an error of the consumer stops decoding and is thrown unchanged")
    func consumerFailure() throws {
        let good = try compress(sample)
        var decoder = try XZDecoder()
        let error = #expect(throws: CloudletError.self) {
            try decoder.decode(good.span) { (_) throws(CloudletError) in throw CloudletError(.busy, "full") }
        }
        #expect(error?.code == .busy)
    }
}
