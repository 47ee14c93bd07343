package import CloudletCore

/// Compresses one blob by the method chosen.
package struct Compressor: ~Copyable {
    private var xz: XZEncoder?
    private var zstd: ZstdEncoder?

    /// What decides size, speed and memory.
    package struct Options: Sendable, Hashable {
        /// The method.
        package let method: CompressionMethod
        /// Its level.
        package let level: Int
        /// Log2 of the history in which repeats are looked for; `nil` for the method's own.
        package let historyLog: Int?

        /// The histories that can be chosen: all that any reader of ours accepts.
        package static let historyLogs = 16...ZstdDecoder.largestWindowLog

        /// Takes a method, and its level and history when they are to be others than its own.
        /// - Throws: `CloudletError.usage` when the method has no such level, or no reader accepts the history.
        package init(
            _ method: CompressionMethod = .xz, level: Int? = nil, historyLog: Int? = nil
        ) throws(CloudletError) {
            let level = level ?? method.defaultLevel
            guard method.levels.contains(level) else {
                throw CloudletError(
                    .usage, "\(method.rawValue) has no level \(level)",
                    advice: "give \(method.levels.lowerBound) to \(method.levels.upperBound)")
            }
            if let historyLog, !Self.historyLogs.contains(historyLog) {
                throw CloudletError(
                    .usage, "a history of 2^\(historyLog) bytes is not accepted by readers",
                    advice: "give \(Self.historyLogs.lowerBound) to \(Self.historyLogs.upperBound)")
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

        /// What the original's readers accept.
        package static let standard = Options(defaultOf: .xz)

        /// How many bytes of memory a compressor for a blob of about `blobBytes` takes.
        /// - Throws: `CloudletError.busy` when there is not so much.
        package func memoryBytes(blobBytes: Int) throws(CloudletError) -> Int {
            switch method {
            case .xz: XZEncoder.memoryBytes(xzOptions(blobBytes: blobBytes))
            case .zstd: try ZstdEncoder.memoryBytes(level: level, windowLog: historyLog)
            }
        }

        /// A dictionary beyond the input is of no use, but costs eleven times its size.
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

    /// A compressor for a blob of about `blobBytes`.
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

    /// Goes to the start of another blob of about the same size; the memory is used again.
    package mutating func restart() throws(CloudletError) {
        try xz?.restart()
        zstd?.restart()
    }

    /// Compresses `input`, handing what is ready to `body`.
    package mutating func encode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        try xz?.encode(input, body)
        try zstd?.encode(input, body)
    }

    /// Ends the blob and hands the rest of it to `body`.
    package mutating func finish(_ body: (Span<UInt8>) throws(CloudletError) -> Void) throws(CloudletError) {
        try xz?.finish(body)
        try zstd?.finish(body)
    }
}
