// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not a VCDIFF patch for the given source.
package enum VCDIFFError: Error, Hashable, CustomStringConvertible {
    case notVCDIFF
    case unsupportedHeader
    case unsupportedWindow
    case truncated
    case integerTooLarge
    case sourceOutOfRange
    case wrongTargetLength
    case addressOutOfRange
    case outputTooLong
    case leftovers

    package var description: String {
        switch self {
        case .notVCDIFF: "it has no VCDIFF header"
        case .unsupportedHeader: "it uses secondary compression or its own code table"
        case .unsupportedWindow: "it has a kind of window that overlays don't use"
        case .truncated: "it is truncated"
        case .integerTooLarge: "it contains an integer that is too large"
        case .sourceOutOfRange: "its source segment is outside the page"
        case .wrongTargetLength: "its result has another length than the page"
        case .addressOutOfRange: "it copies from outside source and target"
        case .outputTooLong: "an instruction writes past the end of the window"
        case .leftovers: "its sections contain bytes that no instruction uses"
        }
    }
}
