// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CZstd
package import CloudletCore

/// Compresses into one zstd frame (RFC 8878) with a checksum.
@safe
package struct ZstdEncoder: ~Copyable {
    private let context: OpaquePointer
    private var output: [UInt8]

    /// Creates an encoder at the start of a frame.
    /// - Parameters:
    ///   - level: 1 (fast) to 19 (small).
    ///   - windowLog: log2 of the history in bytes in which long repeats are searched; `nil` for the level's default.
    /// - Throws: `CloudletError.usage` when the library refuses the values, `.busy` when there is not enough memory.
    package init(level: Int, windowLog: Int? = nil) throws(CloudletError) {
        unsafe context = unsafe try Self.makeContext(level: level, windowLog: windowLog)
        output = [UInt8](repeating: 0, count: 64 << 10)
    }

    deinit { unsafe ZSTD_freeCCtx(context) }

    /// Starts another frame.
    mutating func restart() { unsafe ZSTD_CCtx_reset(context, ZSTD_reset_session_only) }

    private static func makeContext(level: Int, windowLog: Int?) throws(CloudletError) -> OpaquePointer {
        guard let context = unsafe ZSTD_createCCtx() else {
            throw CloudletError(.busy, "not enough memory for a zstd compressor")
        }
        var settings = [(ZSTD_c_compressionLevel, level), (ZSTD_c_checksumFlag, 1)]
        if let windowLog { settings += [(ZSTD_c_windowLog, windowLog), (ZSTD_c_enableLongDistanceMatching, 1)] }
        for (parameter, value) in settings {
            guard ZSTD_isError(unsafe ZSTD_CCtx_setParameter(context, parameter, Int32(value))) == 0 else {
                unsafe ZSTD_freeCCtx(context)
                throw CloudletError(.usage, "zstd does not accept \(value) for level or window")
            }
        }
        return unsafe context
    }

    /// How many bytes of memory an encoder with these values takes.
    static func memoryBytes(level: Int, windowLog: Int?) throws(CloudletError) -> Int {
        var encoder = try ZstdEncoder(level: level, windowLog: windowLog)
        // The library allocates its memory when it gets the first byte.
        let byte: [UInt8] = [0]
        try encoder.encode(byte.span) { _ in }
        return unsafe ZSTD_sizeof_CCtx(encoder.context)
    }

    /// Compresses `input` and passes the available output to `body`.
    package mutating func encode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        try run(input, ZSTD_e_continue, body)
    }

    /// Ends the frame and passes the rest of the output to `body`.
    package mutating func finish(_ body: (Span<UInt8>) throws(CloudletError) -> Void) throws(CloudletError) {
        let nothing: [UInt8] = []
        try run(nothing.span, ZSTD_e_end, body)
    }

    private mutating func run(
        _ input: Span<UInt8>, _ directive: ZSTD_EndDirective, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        var consumed = 0
        while true {
            let capacity = output.count
            let (taken, produced, left) = unsafe input.withUnsafeBufferPointer { source in
                unsafe output.withUnsafeMutableBufferPointer { target in
                    var from = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: consumed)
                    var to = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: capacity, pos: 0)
                    let left = unsafe ZSTD_compressStream2(context, &to, &from, directive)
                    return unsafe (from.pos, to.pos, left)
                }
            }
            guard ZSTD_isError(left) == 0 else {
                throw CloudletError(.system, "can't compress", cause: CompressionError.failed(left))
            }
            consumed = taken
            if produced > 0 { try body(output.span.extracting(0..<produced)) }
            if directive == ZSTD_e_end ? left == 0 : consumed == input.count { return }
        }
    }
}
