// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Decompresses a whole file as the usual programs write it: one or more streams, frames or members, one after another.
package struct FileDecompressor: ~Copyable {
    /// The formats of compressed files.
    package enum Method: Sendable {
        case xz, gzip, zstd
    }

    private var xz: XZDecoder?
    private var zstd: ZstdDecoder?
    private var gzip: GzipDecoder?

    /// Creates a decompressor at the start of a file. It takes at most 130 MiB, which is enough for `xz -9` and
    /// `zstd --long`.
    package init(_ method: Method) throws(CloudletError) {
        xz = nil
        zstd = nil
        gzip = nil
        switch method {
        case .xz: xz = try XZDecoder(concatenated: true)
        case .zstd: zstd = try ZstdDecoder(concatenated: true, windowLog: 27)
        case .gzip: gzip = try GzipDecoder()
        }
    }

    /// Decompresses `input` and passes the output to `body` in pieces of at most 64 KiB.
    /// - Throws: the error of `body`, or `CloudletError.badData` with the offset and a `CompressionError` as cause.
    package mutating func decode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        try xz?.decode(input, body)
        try zstd?.decode(input, body)
        try gzip?.decode(input, body)
    }

    /// Passes the rest of the output to `body`, and checks that the file is complete.
    /// - Throws: the error of `body`, or `CloudletError.badData` when the file is truncated.
    package mutating func finish(_ body: (Span<UInt8>) throws(CloudletError) -> Void) throws(CloudletError) {
        try xz?.finishFile(body)
        try zstd?.finish()
        try gzip?.finish()
    }
}
