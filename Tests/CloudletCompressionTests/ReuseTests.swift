// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import Testing

/// Compressors and decompressors that are reused for one blob after another.
@Suite struct ReuseTests {
    private static func sample(_ seed: Int) -> [UInt8] {
        (0..<200_000 + seed * 1000).map { UInt8(truncatingIfNeeded: $0 / 7 &* (31 + seed) ^ ($0 >> 9)) }
    }

    private static func compress(_ bytes: [UInt8], _ compressor: inout Compressor) throws -> [UInt8] {
        var result: [UInt8] = []
        try compressor.encode(bytes.span) { (out) throws(CloudletError) in result.append(copying: out) }
        try compressor.finish { (out) throws(CloudletError) in result.append(copying: out) }
        return result
    }

    private static func decompress(_ bytes: [UInt8], _ decompressor: inout Decompressor) throws -> [UInt8] {
        var result: [UInt8] = []
        try decompressor.decode(bytes.span) { (out) throws(CloudletError) in result.append(copying: out) }
        try decompressor.finish()
        return result
    }

    @Test(
        "a reused compressor or decompressor gives the same result as a new one", arguments: CompressionMethod.allCases)
    func reuse(method: CompressionMethod) throws {
        let options = try Compressor.Options(method, level: 1)
        var compressor = try Compressor(options, blobBytes: 1 << 20)
        var decompressor = try Decompressor(method)
        for seed in 0..<3 {
            if seed > 0 {
                try compressor.restart()
                try decompressor.restart()
            }
            var fresh = try Compressor(options, blobBytes: 1 << 20)
            let bytes = Self.sample(seed)
            let blob = try Self.compress(bytes, &compressor)
            #expect(blob == (try Self.compress(bytes, &fresh)))
            #expect(try Self.decompress(blob, &decompressor) == bytes)
            // Bytes after the end of a blob are still detected.
            #expect(problem { try decompressor.decode([0].span) { _ in } } == .trailingBytes)
        }
    }

    @Test("the memory that a compressor takes is known in advance")
    func memory() throws {
        func bytes(_ method: CompressionMethod, _ level: Int, _ blob: Int = 4 << 20, history: Int? = nil) throws -> Int
        {
            try Compressor.Options(method, level: level, historyLog: history).memoryBytes(blobBytes: blob) >> 20
        }
        #expect(try (40...60).contains(bytes(.xz, 6)))
        #expect(try bytes(.xz, 6, 64 << 20) == bytes(.xz, 6, 16 << 20))
        #expect(try bytes(.xz, 6, history: 26) > 600)
        #expect(try bytes(.zstd, 3) < 8 && bytes(.zstd, 9) < 40 && bytes(.zstd, 19) > 60)
    }
}
