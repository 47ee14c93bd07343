// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLzma
package import CloudletCore

/// Compresses into one .xz stream as the original's reader expects it: a single block, LZMA2, CRC32.
package struct XZEncoder: ~Copyable {
    private var stream: LZMAStream
    private let options: Options

    /// The options that decide size, speed and memory.
    package struct Options: Hashable, Sendable {
        /// xz preset, 0 (fast) to 9 (small).
        package var preset: UInt32
        /// Size of the dictionary in bytes; more than the size of the input is useless. The encoder takes about eleven
        /// times this.
        package var dictionaryBytes: UInt32

        /// Creates options: by default preset 6 and a dictionary of 4 MiB, about the size of a blob before compression.
        package init(preset: UInt32 = 6, dictionaryBytes: UInt32 = 4 << 20) {
            self.preset = preset
            self.dictionaryBytes = dictionaryBytes
        }
    }

    /// Creates an encoder at the start of a stream.
    /// - Throws: `CloudletError.usage` when the library refuses the options.
    package init(_ options: Options = Options()) throws(CloudletError) {
        self.options = options
        do throws(CompressionError) {
            stream = unsafe try LZMAStream(outputBytes: 64 << 10) { raw in unsafe Self.begin(&raw, options) }
        } catch {
            throw CloudletError(.usage, "can't compress with xz preset \(options.preset)", cause: error)
        }
    }

    /// Starts another stream.
    mutating func restart() throws(CloudletError) {
        let options = options
        do throws(CompressionError) { unsafe try stream.restart { raw in unsafe Self.begin(&raw, options) } } catch {
            throw CloudletError(.system, "can't start a compressor", cause: error)
        }
    }

    private static func begin(_ raw: inout lzma_stream, _ options: Options) -> lzma_ret {
        unsafe withFilters(options) { filters in
            guard let filters = unsafe filters else { return LZMA_OPTIONS_ERROR }
            return unsafe lzma_stream_encoder(&raw, filters, LZMA_CHECK_CRC32)
        }
    }

    /// How many bytes of memory an encoder takes.
    static func memoryBytes(_ options: Options) -> Int {
        unsafe withFilters(options) { filters in
            guard let filters = unsafe filters else { return 0 }
            return unsafe Int(clamping: lzma_raw_encoder_memusage(filters))
        }
    }

    /// Calls `body` with the filters for the options, or with `nil` when the preset does not exist.
    private static func withFilters<Value>(
        _ options: Options, _ body: (UnsafePointer<lzma_filter>?) -> Value
    ) -> Value {
        var settings = unsafe lzma_options_lzma()
        guard unsafe lzma_lzma_preset(&settings, options.preset) == 0 else { return body(nil) }
        unsafe settings.dict_size = max(4096, options.dictionaryBytes)
        return unsafe withUnsafeMutablePointer(to: &settings) { pointer in
            let filters = unsafe [
                lzma_filter(id: cloudlet_lzma_filter_lzma2, options: UnsafeMutableRawPointer(pointer)),
                lzma_filter(id: cloudlet_lzma_vli_unknown, options: nil),
            ]
            return unsafe filters.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
        }
    }

    /// Compresses `input` and passes the available output to `body`.
    package mutating func encode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        if !input.isEmpty { try run(input, finishing: false, body) }
    }

    /// Ends the stream and passes the rest of the output to `body`.
    package mutating func finish(_ body: (Span<UInt8>) throws(CloudletError) -> Void) throws(CloudletError) {
        let nothing: [UInt8] = []
        try run(nothing.span, finishing: true, body)
    }

    private mutating func run(
        _ input: Span<UInt8>, finishing: Bool, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        do throws(LZMAFailure<CloudletError>) {
            try stream.run(input, finishing: finishing, memoryLimit: 0, body)
        } catch {
            switch error {
            case .library(let problem): throw CloudletError(.system, "can't compress", cause: problem)
            case .consumer(let error): throw error
            }
        }
    }
}
