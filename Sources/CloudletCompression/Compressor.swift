// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Compresses one blob with the chosen method.
package struct Compressor: ~Copyable {
    private var xz: XZEncoder?
    private var zstd: ZstdEncoder?

    /// The options that decide size, speed and memory.
    package struct Options: Sendable, Hashable {
        /// The method.
        package let method: CompressionMethod
        /// The level of the method.
        package let level: Int
        /// Log2 of the history in bytes in which repeats are searched; `nil` for the method's default.
        package let historyLog: Int?

        /// The accepted values of ``historyLog``: those that ``Decompressor`` accepts for every method.
        package static let historyLogs = 16...ZstdDecoder.largestWindowLog

        /// Creates options; where `level` or `historyLog` is `nil`, the method's default applies.
        /// - Throws: `CloudletError.usage` when the method has no such level, or readers refuse the history.
        package init(
            _ method: CompressionMethod = .xz, level: Int? = nil, historyLog: Int? = nil
        ) throws(CloudletError) {
            let level = level ?? method.defaultLevel
            guard method.levels.contains(level) else {
                throw CloudletError(
                    .usage, "\(method.rawValue) has no level \(level)",
                    advice: "choose \(method.levels.lowerBound) to \(method.levels.upperBound)")
            }
            if let historyLog, !Self.historyLogs.contains(historyLog) {
                throw CloudletError(
                    .usage, "readers do not accept a history of 2^\(historyLog) bytes",
                    advice: "choose \(Self.historyLogs.lowerBound) to \(Self.historyLogs.upperBound)")
            }
            self.method = method
            self.level = level
            self.historyLog = historyLog
        }

        private init(defaultOf method: CompressionMethod) {
            self.method = method
            level = method.defaultLevel
            historyLog = nil
        }

        /// The options for overlays that the original can read.
        package static let standard = Options(defaultOf: .xz)

        /// How many bytes of memory a compressor for a blob of about `blobBytes` takes.
        /// - Throws: `CloudletError.busy` when that much memory is not available.
        package func memoryBytes(blobBytes: Int) throws(CloudletError) -> Int {
            switch method {
            case .xz: XZEncoder.memoryBytes(xzOptions(blobBytes: blobBytes))
            case .zstd: try ZstdEncoder.memoryBytes(level: level, windowLog: historyLog)
            }
        }

        /// A dictionary larger than the input is useless, but the encoder takes eleven times its size.
        fileprivate func xzOptions(blobBytes: Int) -> XZEncoder.Options {
            let dictionary = historyLog.map { 1 << $0 } ?? Self.dictionary(covering: blobBytes)
            return XZEncoder.Options(preset: UInt32(level), dictionaryBytes: UInt32(dictionary))
        }

        private static func dictionary(covering bytes: Int) -> Int {
            var power = 1 << 16
            while power < bytes, power < 16 << 20 { power <<= 1 }
            return power
        }
    }

    /// Creates a compressor for a blob of about `blobBytes` before compression.
    package init(_ options: Options, blobBytes: Int) throws(CloudletError) {
        switch options.method {
        case .xz:
            xz = try XZEncoder(options.xzOptions(blobBytes: blobBytes))
            zstd = nil
        case .zstd:
            xz = nil
            zstd = try ZstdEncoder(level: options.level, windowLog: options.historyLog)
        }
    }

    /// Starts another blob of about the same size and reuses the memory.
    package mutating func restart() throws(CloudletError) {
        try xz?.restart()
        zstd?.restart()
    }

    /// Compresses `input` and passes the available output to `body`.
    package mutating func encode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        try xz?.encode(input, body)
        try zstd?.encode(input, body)
    }

    /// Ends the blob and passes the rest of the output to `body`.
    package mutating func finish(_ body: (Span<UInt8>) throws(CloudletError) -> Void) throws(CloudletError) {
        try xz?.finish(body)
        try zstd?.finish(body)
    }
}
