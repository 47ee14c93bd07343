// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CZstd
package import CloudletCore

/// Decompresses one zstd frame (RFC 8878), or a file of several, that arrives in pieces. Memory is bounded by the
/// largest window accepted, whatever the size of the output.
@safe
package struct ZstdDecoder: ~Copyable {
    /// Log2 of the largest window accepted: 64 MiB, the dictionary of the original's xz streams.
    package static let largestWindowLog = 26

    private let context: OpaquePointer
    private var output: [UInt8]
    private let isFile: Bool
    private let windowLog: Int
    private var atStart = true
    /// Whether the end of the frame has been read.
    package private(set) var isFinished = false
    /// How many bytes of the frame were consumed.
    package private(set) var position = 0

    /// Creates a decoder at the start of a frame.
    /// - Parameters:
    ///   - concatenated: whether further frames may follow the first one, as in a file.
    ///   - windowLog: log2 of the largest window accepted.
    /// - Throws: `CloudletError.busy` when there is not enough memory.
    package init(concatenated: Bool = false, windowLog: Int = largestWindowLog) throws(CloudletError) {
        guard let context = unsafe ZSTD_createDCtx() else {
            throw CloudletError(.busy, "not enough memory for a zstd decompressor")
        }
        unsafe self.context = unsafe context
        output = [UInt8](repeating: 0, count: 64 << 10)
        isFile = concatenated
        self.windowLog = windowLog
        unsafe ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Int32(windowLog))
    }

    deinit { unsafe ZSTD_freeDCtx(context) }

    /// Starts another frame.
    mutating func restart() {
        unsafe ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
        atStart = true
        isFinished = false
        position = 0
    }

    /// How many bytes of memory the part of the frame read so far takes. The system provides most of it only as output
    /// is produced.
    package var memoryBytes: Int { unsafe ZSTD_sizeof_DCtx(context) }

    /// Decompresses `input` and passes the output to `body` in pieces of at most 64 KiB.
    /// - Throws: the error of `body`, or `CloudletError.badData` with the offset and a `CompressionError` as cause.
    package mutating func decode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        var consumed = 0
        while consumed < input.count {
            if isFinished, !isFile { throw failure(.trailingBytes) }
            let (taken, produced, left) = step(input, from: consumed)
            if ZSTD_isError(left) != 0 { throw failure(problem(ZSTD_getErrorCode(left))) }
            atStart = false
            consumed += taken
            position += taken
            isFinished = left == 0
            if produced > 0 { try body(output.span.extracting(0..<produced)) }
            // Output that did not fit into the buffer comes with further calls, which need no input.
            if produced == output.count, consumed == input.count, !isFinished { try drain(body) }
        }
    }

    /// Checks that the frame is complete.
    /// - Throws: `CloudletError.badData` when it is truncated.
    package func finish() throws(CloudletError) {
        if !isFinished { throw failure(.truncated) }
    }

    private mutating func drain(_ body: (Span<UInt8>) throws(CloudletError) -> Void) throws(CloudletError) {
        let nothing: [UInt8] = []
        while !isFinished {
            let (_, produced, left) = step(nothing.span, from: 0)
            if ZSTD_isError(left) != 0 { throw failure(problem(ZSTD_getErrorCode(left))) }
            isFinished = left == 0
            if produced > 0 { try body(output.span.extracting(0..<produced)) }
            if produced < output.count { return }
        }
    }

    /// Calls the library once.
    /// - Returns: how many bytes it consumed and produced, and its return value.
    private mutating func step(_ input: Span<UInt8>, from start: Int) -> (taken: Int, produced: Int, left: Int) {
        let capacity = output.count
        return unsafe input.withUnsafeBufferPointer { source in
            unsafe output.withUnsafeMutableBufferPointer { target in
                var from = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: start)
                var to = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: capacity, pos: 0)
                let left = unsafe ZSTD_decompressStream(context, &to, &from)
                return unsafe (from.pos - start, to.pos, left)
            }
        }
    }

    private func problem(_ code: ZSTD_ErrorCode) -> CompressionError {
        switch code {
        case ZSTD_error_prefix_unknown: atStart ? .notThisFormat("zstd") : .trailingBytes
        case ZSTD_error_frameParameter_windowTooLarge: .memoryLimit(ByteCount(1 << windowLog))
        case ZSTD_error_version_unsupported, ZSTD_error_frameParameter_unsupported, ZSTD_error_dictionary_wrong:
            .unsupportedOptions
        default: .damaged
        }
    }

    private func failure(_ problem: CompressionError) -> CloudletError {
        CloudletError(.badData, "can't decompress at byte \(position)", cause: problem)
    }
}
