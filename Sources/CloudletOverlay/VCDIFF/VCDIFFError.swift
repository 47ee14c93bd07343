/// Why bytes are not a VCDIFF patch for the source at hand.
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
        case .notVCDIFF: "no VCDIFF header"
        case .unsupportedHeader: "secondary compression or a code table of its own"
        case .unsupportedWindow: "a window kind that is not used in overlays"
        case .truncated: "it ends too early"
        case .integerTooLarge: "an integer that is too large"
        case .sourceOutOfRange: "its source segment leads outside the page"
        case .wrongTargetLength: "its result has another length than the page"
        case .addressOutOfRange: "a copy from outside source and target"
        case .outputTooLong: "an instruction writes behind the window's end"
        case .leftovers: "sections with bytes that no instruction uses"
        }
    }
}
