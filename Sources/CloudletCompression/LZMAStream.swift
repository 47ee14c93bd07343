// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLzma
import CloudletCore

/// Owns one `lzma_stream` and moves bytes through it.
@safe
struct LZMAStream: ~Copyable {
    private var stream: lzma_stream
    private var output: [UInt8]
    /// Whether the end of the compressed data was reached.
    private(set) var ended = false
    /// How many bytes of input were consumed.
    private(set) var position = 0

    /// Creates a stream that `initialize` sets up. Output comes in pieces of at most `outputBytes`.
    init(outputBytes: Int, _ initialize: (inout lzma_stream) -> lzma_ret) throws(CompressionError) {
        unsafe stream = lzma_stream()
        output = [UInt8](repeating: 0, count: outputBytes)
        try unsafe Self.check(initialize(&stream), memoryLimit: 0)
    }

    /// Starts again and reuses what the library allocated.
    mutating func restart(_ initialize: (inout lzma_stream) -> lzma_ret) throws(CompressionError) {
        ended = false
        position = 0
        try unsafe Self.check(initialize(&stream), memoryLimit: 0)
    }

    deinit {
        var stream = unsafe stream
        unsafe lzma_end(&stream)
    }

    /// How many bytes of memory a decoder takes for the part of the stream read so far.
    var memoryBytes: Int {
        mutating get { unsafe Int(clamping: lzma_memusage(&stream)) }
    }

    /// Processes all of `input` and passes every piece of output to `body`; with `finishing`, up to the end of the stream.
    mutating func run<Failure: Error>(
        _ input: Span<UInt8>, finishing: Bool, memoryLimit: Int,
        _ body: (Span<UInt8>) throws(Failure) -> Void
    ) throws(LZMAFailure<Failure>) {
        var consumed = 0
        let start = position
        defer { position = start + consumed }
        repeat {
            var produced = 0
            var status = LZMA_OK
            let capacity = output.count
            unsafe input.withUnsafeBufferPointer { source in
                unsafe output.withUnsafeMutableBufferPointer { target in
                    unsafe stream.next_in = source.baseAddress.map { unsafe $0 + consumed }
                    unsafe stream.avail_in = source.count - consumed
                    unsafe stream.next_out = target.baseAddress
                    unsafe stream.avail_out = capacity
                    status = unsafe lzma_code(&stream, finishing ? LZMA_FINISH : LZMA_RUN)
                    consumed = unsafe source.count - stream.avail_in
                    produced = unsafe capacity - stream.avail_out
                }
            }
            if status == LZMA_STREAM_END { ended = true }
            if status != LZMA_OK, status != LZMA_STREAM_END, status != LZMA_BUF_ERROR {
                do throws(CompressionError) { try Self.check(status, memoryLimit: memoryLimit) } catch {
                    throw .library(error)
                }
            }
            if produced > 0 {
                do throws(Failure) { try body(output.span.extracting(0..<produced)) } catch { throw .consumer(error) }
            }
            if ended {
                if consumed < input.count { throw .library(.trailingBytes) }
                return
            }
            // No progress: the library needs more input than there is.
            if status == LZMA_BUF_ERROR, produced == 0 {
                if finishing { throw .library(.truncated) }
                return
            }
            if !finishing, consumed == input.count, produced < capacity { return }
        } while true
    }

    private static func check(_ status: lzma_ret, memoryLimit: Int) throws(CompressionError) {
        switch status {
        case LZMA_OK, LZMA_STREAM_END: return
        case LZMA_FORMAT_ERROR: throw .notThisFormat("xz")
        case LZMA_DATA_ERROR: throw .damaged
        case LZMA_MEMLIMIT_ERROR: throw .memoryLimit(ByteCount(memoryLimit))
        case LZMA_BUF_ERROR: throw .truncated
        case LZMA_OPTIONS_ERROR: throw .unsupportedOptions
        default: throw .failed(Int(status.rawValue))
        }
    }
}

/// Whether the library failed, or the consumer of the output.
enum LZMAFailure<Consumer: Error>: Error {
    case library(CompressionError)
    case consumer(Consumer)
}
