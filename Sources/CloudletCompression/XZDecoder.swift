// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLzma
package import CloudletCore

/// Decompresses one .xz stream (The .xz File Format 1.2), or a file of several, that arrives in pieces. Memory is
/// bounded by the limit, whatever the size of the output.
package struct XZDecoder: ~Copyable {
    private var stream: LZMAStream
    private let memoryLimit: Int
    private let flags: UInt32

    /// Creates a decoder at the start of a stream.
    /// - Parameters:
    ///   - memoryLimit: how many bytes it may take. The original's streams (dictionary 64 MiB) need 65 MiB.
    ///   - concatenated: whether further streams may follow the first one, as in a file.
    /// - Throws: `CloudletError.system` when the library can't start.
    package init(memoryLimit: Int = 80 << 20, concatenated: Bool = false) throws(CloudletError) {
        self.memoryLimit = memoryLimit
        let flags = concatenated ? cloudlet_lzma_concatenated : 0
        self.flags = flags
        do throws(CompressionError) {
            stream = unsafe try LZMAStream(outputBytes: 64 << 10) { raw in
                unsafe lzma_stream_decoder(&raw, UInt64(memoryLimit), flags)
            }
        } catch {
            throw CloudletError(.system, "can't start a decompressor", cause: error)
        }
    }

    /// Starts another stream.
    mutating func restart() throws(CloudletError) {
        do throws(CompressionError) {
            unsafe try stream.restart { raw in unsafe lzma_stream_decoder(&raw, UInt64(memoryLimit), flags) }
        } catch {
            throw CloudletError(.system, "can't start a decompressor", cause: error)
        }
    }

    /// Whether the end of the stream has been read.
    package var isFinished: Bool { stream.ended }

    /// How many bytes of memory the part of the stream read so far takes. The system provides most of it only as output
    /// is produced.
    package var memoryBytes: Int {
        mutating get { stream.memoryBytes }
    }

    /// Decompresses `input` and passes the output to `body` in pieces of at most 64 KiB.
    /// - Throws: the error of `body`, or `CloudletError.badData` with the offset and a `CompressionError` as cause.
    package mutating func decode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        if input.isEmpty { return }
        if stream.ended { throw failure(.trailingBytes) }
        try run(input, finishing: false, body)
    }

    /// Ends a file of one or more streams, and passes the rest of the output to `body`.
    /// - Throws: the error of `body`, or `CloudletError.badData` when the file is truncated.
    mutating func finishFile(_ body: (Span<UInt8>) throws(CloudletError) -> Void) throws(CloudletError) {
        let nothing: [UInt8] = []
        if !stream.ended { try run(nothing.span, finishing: true, body) }
        try finish()
    }

    private mutating func run(
        _ input: Span<UInt8>, finishing: Bool, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        do throws(LZMAFailure<CloudletError>) {
            try stream.run(input, finishing: finishing, memoryLimit: memoryLimit, body)
        } catch {
            switch error {
            case .library(let problem): throw failure(problem)
            case .consumer(let error): throw error
            }
        }
    }

    /// Checks that the stream is complete.
    /// - Throws: `CloudletError.badData` when it is truncated.
    package func finish() throws(CloudletError) {
        if !stream.ended { throw failure(.truncated) }
    }

    private func failure(_ problem: CompressionError) -> CloudletError {
        CloudletError(.badData, "can't decompress at byte \(stream.position)", cause: problem)
    }
}
