// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Testing

@Suite struct ZstdTests {
    private func compress(_ bytes: [UInt8], level: Int = 3, windowLog: Int? = nil, piece: Int = 1000) throws -> [UInt8]
    {
        var encoder = try ZstdEncoder(level: level, windowLog: windowLog)
        var result: [UInt8] = []
        for range in pieces(of: 0..<bytes.count, length: piece) {
            try encoder.encode(bytes.span.extracting(range)) { (out) throws(CloudletError) in
                result.append(copying: out)
            }
        }
        try encoder.finish { (out) throws(CloudletError) in result.append(copying: out) }
        return result
    }

    private func decompress(_ bytes: [UInt8], piece: Int = 777, limit: Int = .max) throws -> [UInt8] {
        var decoder = try ZstdDecoder()
        var result: [UInt8] = []
        for range in pieces(of: 0..<bytes.count, length: piece) {
            try decoder.decode(bytes.span.extracting(range)) { (out) throws(CloudletError) in
                result.append(copying: out)
                if result.count > limit { throw CloudletError(.badData, "too much") }
            }
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
        #expect(try decompress(try compress([]), piece: piece) == [])
    }

    @Test("the program zstd reads our frames, and we read its frames", arguments: [1, 19])
    func foreign(level: Int) async throws {
        let scratch = try ScratchDirectory()
        _ = try scratch.write("ours.zst", try compress(sample, level: level, windowLog: 20))
        _ = try scratch.write("theirs", sample)
        let commands = "zstd -q -d ours.zst -o ours && cmp ours theirs && zstd -q -\(level) --long=26 theirs"
        let result = try await Tool.run("sh", ["-c", commands], directory: scratch.path)
        #expect(result.status == 0, "\(result.errors)")
        #expect(try decompress(try File(scratch.file("theirs.zst"), .read).read(1 << 24, at: 0)) == sample)
    }

    @Test("damage, truncation, other formats and trailing bytes are reported as such, with their offset")
    func refusals() throws {
        let good = try compress(sample)
        var damaged = good
        damaged[good.count / 2] ^= 0xFF
        #expect(problem { _ = try decompress(damaged) } == .damaged)
        var checksum = good
        checksum[good.count - 1] ^= 1
        #expect(problem { _ = try decompress(checksum) } == .damaged)
        #expect(problem { _ = try decompress(Array(good.dropLast())) } == .truncated)
        #expect(problem { _ = try decompress([]) } == .truncated)
        #expect(problem { _ = try decompress(Array("\u{FD}7zXZ and more".utf8)) } == .notThisFormat("zstd"))
        #expect(problem { _ = try decompress(good + good) } == .trailingBytes)
        #expect(problem { _ = try decompress(good + [0], piece: good.count) } == .trailingBytes)
        let error = #expect(throws: CloudletError.self) { _ = try decompress(good + [0], piece: 1 << 20) }
        #expect(error?.message.contains("at byte \(good.count)") == true)
    }

    @Test("a window above the limit is refused before memory is allocated for it")
    func largeWindow() throws {
        #expect(
            problem { _ = try decompress(try compress(sample, windowLog: 27)) } == .memoryLimit(ByteCount(1 << 26)))
    }

    @Test("a decompression bomb stops where its consumer throws")
    func bomb() throws {
        let bomb = try compress([UInt8](repeating: 0, count: 64 << 20), piece: 1 << 20)
        #expect(bomb.count < 10_000)
        var taken = 0
        var decoder = try ZstdDecoder()
        let error = #expect(throws: CloudletError.self) {
            try decoder.decode(bomb.span) { (out) throws(CloudletError) in
                taken += out.count
                if taken > 100_000 { throw CloudletError(.busy, "full") }
            }
        }
        #expect(error?.code == .busy && taken < 100_000 + (64 << 10) + 1)
    }

    @Test("levels that a method lacks and histories that readers refuse are refused")
    func options() throws {
        for (method, level, history) in [
            (CompressionMethod.xz, 10, nil), (.zstd, 0, nil), (.zstd, 20, nil), (.xz, nil, 27), (.zstd, 3, 15),
        ] as [(CompressionMethod, Int?, Int?)] {
            #expect(throws: CloudletError.self) {
                try Compressor.Options(method, level: level, historyLog: history)
            }
        }
        for method in CompressionMethod.allCases {
            for level in [method.levels.lowerBound, method.levels.upperBound] {
                for history in [nil, 16, 26] {
                    var compressor = try Compressor(
                        try .init(method, level: level, historyLog: history), blobBytes: 1 << 20)
                    var bytes: [UInt8] = []
                    try compressor.encode(sample.span) { (out) throws(CloudletError) in bytes.append(copying: out) }
                    try compressor.finish { (out) throws(CloudletError) in bytes.append(copying: out) }
                    var decompressor = try Decompressor(method)
                    var count = 0
                    try decompressor.decode(bytes.span) { (out) throws(CloudletError) in count += out.count }
                    try decompressor.finish()
                    #expect(count == sample.count)
                }
            }
        }
    }
}
