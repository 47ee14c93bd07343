package import CloudletCore

/// Why compressed bytes can't be read or written.
package enum CompressionError: PublicError, Hashable, Sendable, CustomStringConvertible {
    /// The bytes are not of the expected format at all.
    case notThisFormat(String)
    /// The data is damaged.
    case damaged
    /// Decoding would take more memory than allowed.
    case memoryLimit(ByteCount)
    /// The input ended in the middle.
    case truncated
    /// There are bytes behind the end of the compressed stream.
    case trailingBytes
    /// The format's options are not supported by this library.
    case unsupportedOptions
    /// The library failed with this code.
    case failed(Int)

    /// A sentence without a period.
    package var description: String {
        switch self {
        case .notThisFormat(let name): "these are not \(name) data"
        case .damaged: "the compressed data are damaged"
        case .memoryLimit(let limit): "decompressing would take more memory than the allowed \(limit)"
        case .truncated: "the compressed data end too early"
        case .trailingBytes: "there are bytes behind the end of the compressed data"
        case .unsupportedOptions: "the compressed data use options that are not supported"
        case .failed(let code): "the compression library failed with code \(code)"
        }
    }
}
