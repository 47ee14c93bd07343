// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Testing

/// Compressed files as the usual programs write them are read whole, and damaged ones are refused.
@Suite struct FileDecompressorTests {
    private static func decompressed(_ method: FileDecompressor.Method, _ bytes: [UInt8]) throws -> [UInt8] {
        var decompressor = try FileDecompressor(method)
        var output: [UInt8] = []
        // Pieces of an odd size, so that no boundary of the format is one of the input.
        for range in pieces(of: 0..<bytes.count, length: 7001) {
            try decompressor.decode(bytes.span.extracting(range)) { (piece) throws(CloudletError) in
                output.append(copying: piece)
            }
        }
        try decompressor.finish { (piece) throws(CloudletError) in output.append(copying: piece) }
        return output
    }

    private static let content: [UInt8] = {
        var random = SeededRandom(seed: 9)
        let noise = (0..<200_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        return noise + [UInt8](repeating: 0, count: 900_000) + noise
    }()

    @Test(
        "one stream, several one after another, and the programs' other options",
        arguments: [
            (.xz, "xz -c s"), (.xz, "xz -9 -T2 --block-size=100000 -c s"), (.xz, "xz -c s; xz -c s"),
            (.gzip, "gzip -c s"), (.gzip, "gzip -c s; gzip -9 -c s"), (.gzip, "gzip -c s; head -c 512 /dev/zero"),
            (.zstd, "zstd -qc s"), (.zstd, "zstd -qc s; zstd -qc --long=27 s"),
            (.zstd, "printf 'P*M\\030\\002\\000\\000\\000xx'; zstd -qc < s"),
        ] as [(FileDecompressor.Method, String)])
    func whole(method: FileDecompressor.Method, command: String) async throws {
        let scratch = try ScratchDirectory()
        _ = try scratch.write("s", Self.content)
        let made = try await Tool.run("sh", ["-c", "{ \(command); } > packed"], directory: scratch.path)
        #expect(made.status == 0, "\(made.errors)")
        let packed = try File(scratch.file("packed"), .read).read(4 << 20, at: 0)
        let times =
            command.contains("c s; xz") || command.contains("c s; gzip") || command.contains("c s; zstd") ? 2 : 1
        let whole = try Self.decompressed(method, packed)
        #expect(whole == (0..<times).flatMap { _ in Self.content })
        for damaged in [Array(packed.prefix(packed.count * 2 / 3)), packed + Array("more".utf8)] {
            #expect(throws: CloudletError.self) { try Self.decompressed(method, damaged) }
        }
    }
}
