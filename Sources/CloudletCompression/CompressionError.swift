// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Why data can't be compressed or decompressed.
package enum CompressionError: PublicError, Hashable, Sendable, CustomStringConvertible {
    /// The data is not in the expected format, which is named.
    case notThisFormat(String)
    /// The data is damaged.
    case damaged
    /// Decoding would take more memory than allowed.
    case memoryLimit(ByteCount)
    /// The input ended before the end of the compressed stream.
    case truncated
    /// Bytes follow the end of the compressed stream.
    case trailingBytes
    /// The data uses options of the format that the library does not support.
    case unsupportedOptions
    /// The library failed with this error code.
    case failed(Int)

    /// A sentence without a period.
    package var description: String {
        switch self {
        case .notThisFormat(let name): "the data is not in \(name) format"
        case .damaged: "the compressed data is damaged"
        case .memoryLimit(let limit): "decompression would need more memory than the limit of \(limit)"
        case .truncated: "the compressed data is truncated"
        case .trailingBytes: "there are bytes after the end of the compressed data"
        case .unsupportedOptions: "the compressed data uses options that are not supported"
        case .failed(let code): "the compression library failed with code \(code)"
        }
    }
}
