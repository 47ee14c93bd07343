// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Decompresses one blob of any method. All compressed data from outside is read by this type.
package struct Decompressor: ~Copyable {
    /// The method.
    package let method: CompressionMethod
    private var xz: XZDecoder?
    private var zstd: ZstdDecoder?

    /// Creates a decompressor at the start of a blob.
    package init(_ method: CompressionMethod) throws(CloudletError) {
        self.method = method
        switch method {
        case .xz:
            xz = try XZDecoder()
            zstd = nil
        case .zstd:
            xz = nil
            zstd = try ZstdDecoder()
        }
    }

    /// Starts another blob of the same method and reuses the memory.
    package mutating func restart() throws(CloudletError) {
        try xz?.restart()
        zstd?.restart()
    }

    /// How many bytes of memory the part of the blob read so far takes. The system provides most of it only as output
    /// is produced.
    package var memoryBytes: Int {
        mutating get { xz?.memoryBytes ?? zstd?.memoryBytes ?? 0 }
    }

    /// Decompresses `input` and passes the output to `body` in pieces of at most 64 KiB.
    /// - Throws: the error of `body`, or `CloudletError.badData` with the offset and a `CompressionError` as cause.
    package mutating func decode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        try xz?.decode(input, body)
        try zstd?.decode(input, body)
    }

    /// Checks that the compressed data is complete.
    /// - Throws: `CloudletError.badData` when it is truncated.
    package func finish() throws(CloudletError) {
        try xz?.finish()
        try zstd?.finish()
    }
}
