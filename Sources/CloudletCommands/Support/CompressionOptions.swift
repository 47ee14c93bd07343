// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCompression
import CloudletCore
import CloudletSynthesis

/// Options for writing an overlay.
struct CompressionOptions: ParsableArguments {
    @Option(
        help:
            "Compression of the overlay: xz, which every node reads, or zstd, which is decompressed faster by nodes of this version."
    )
    var compression: Method = .xz

    @Option(
        help:
            "Compression level: 0 to 9 for xz (default: 6), 1 to 19 for zstd (default: 9). Higher levels are smaller and slower."
    )
    var level: Int?

    @Option(
        name: .customLong("blob-size"),
        help: "Size of the content of a blob before compression, for example 512K or 16M.")
    var blobSize: SizeArgument?

    @Option(
        name: .customLong("compression-memory"),
        help: "Memory for compression; more memory allows more threads (default: 192M).")
    var memory: SizeArgument?

    @Option(help: "Search for repeated data in the last 2^N bytes of a blob (16 to 26).")
    var long: Int?

    /// A compression by its name.
    enum Method: String, ExpressibleByArgument, CaseIterable {
        case xz, zstd
    }

    /// Sets the chosen values in an overlay's options.
    func apply(to options: inout OverlayOptions) throws(CloudletError) {
        options.compression = try Compressor.Options(
            compression == .xz ? .xz : .zstd, level: level, historyLog: long)
        if let memory { options.compressionMemory = memory.bytes }
        if let blobSize {
            guard (64 << 10...1 << 30).contains(blobSize.bytes) else {
                throw CloudletError(
                    .usage, "the blob size of \(blobSize.bytes) bytes is out of range", advice: "choose 64K to 1G")
            }
            options.blobBytes = blobSize.bytes
        }
    }
}
