// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CZlib
import CloudletCore

/// Decompresses a gzip file (RFC 1952), which consists of one or more members and arrives in pieces. Memory is bounded
/// by the format: its window has 32 KiB.
@safe
struct GzipDecoder: ~Copyable {
    /// zlib refers to this structure by its address.
    private let stream: UnsafeMutablePointer<z_stream>
    private var output: [UInt8]
    private var isFinished = false
    private var position = 0

    /// zlib's number for the largest window with a gzip header.
    private static let gzipWindow: Int32 = 15 + 16

    /// Creates a decoder at the start of a file.
    /// - Throws: `CloudletError.busy` when there is not enough memory.
    init() throws(CloudletError) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        output = [UInt8](repeating: 0, count: 64 << 10)
        let status = unsafe inflateInit2_(stream, Self.gzipWindow, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            throw CloudletError(.busy, "not enough memory for a gzip decompressor")
        }
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Decompresses `input` and passes the output to `body` in pieces of at most 64 KiB.
    /// - Throws: the error of `body`, or `CloudletError.badData` with the offset and a `CompressionError` as cause.
    mutating func decode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        var consumed = 0
        while consumed < input.count {
            if isFinished {
                // Tapes and some programs fill the last block with zeros, which gzip ignores too.
                if input[consumed] == 0 {
                    consumed += 1
                    position += 1
                    continue
                }
                unsafe inflateReset(stream)
                isFinished = false
            }
            let (taken, produced, status) = step(input, from: consumed)
            consumed += taken
            position += taken
            switch status {
            case Z_STREAM_END: isFinished = true
            case Z_OK: break
            case Z_BUF_ERROR where produced == 0:
                // Everything was consumed, and there is no more output.
                if consumed == input.count { return }
                throw failure(.damaged)
            case Z_BUF_ERROR: break
            case Z_MEM_ERROR: throw CloudletError(.busy, "not enough memory for a gzip decompressor")
            default: throw failure(.damaged)
            }
            if produced > 0 { try body(output.span.extracting(0..<produced)) }
            // Output that did not fit into the buffer comes with further calls, which need no input.
            while !isFinished, produced == output.count, consumed == input.count {
                let (_, more, status) = step(input, from: consumed)
                if status == Z_STREAM_END { isFinished = true }
                if status != Z_OK, status != Z_STREAM_END, status != Z_BUF_ERROR { throw failure(.damaged) }
                if more > 0 { try body(output.span.extracting(0..<more)) }
                if more < output.count { break }
            }
        }
    }

    /// Checks that the file is complete.
    /// - Throws: `CloudletError.badData` when it is truncated.
    func finish() throws(CloudletError) {
        if !isFinished { throw failure(.truncated) }
    }

    /// Calls the library once.
    private mutating func step(_ input: Span<UInt8>, from start: Int) -> (taken: Int, produced: Int, status: Int32) {
        let capacity = output.count
        // zlib counts with 32 bits.
        let available = min(input.count - start, 1 << 30)
        return unsafe input.withUnsafeBufferPointer { source in
            unsafe output.withUnsafeMutableBufferPointer { target in
                let from = unsafe source.baseAddress.map { unsafe $0 + start }
                unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: from)
                unsafe stream.pointee.avail_in = UInt32(available)
                unsafe stream.pointee.next_out = target.baseAddress
                unsafe stream.pointee.avail_out = UInt32(capacity)
                let status = unsafe inflate(stream, Z_NO_FLUSH)
                return unsafe (
                    available - Int(stream.pointee.avail_in), capacity - Int(stream.pointee.avail_out), status
                )
            }
        }
    }

    private func failure(_ problem: CompressionError) -> CloudletError {
        CloudletError(.badData, "can't decompress at byte \(position)", cause: problem)
    }
}
