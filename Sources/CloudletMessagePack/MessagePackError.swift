/// Why bytes are not the MessagePack value that was expected, and where.
package struct MessagePackError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package enum Problem: Hashable, Sendable {
        /// The input ended inside a value.
        case truncated
        /// A value of another type was expected.
        case unexpectedType(wanted: String, marker: UInt8)
        /// The marker is reserved, or an extension type.
        case unsupportedMarker(UInt8)
        /// Arrays or maps nested deeper than allowed.
        case tooDeep(limit: Int)
        /// A container announces more elements than the input can hold.
        case impossibleCount(Int)
        /// A number that does not fit.
        case outOfRange
        /// A text that is not UTF-8.
        case notText
        /// Bytes behind the end of the value.
        case trailingBytes(Int)
    }

    /// What is wrong.
    package let problem: Problem
    /// Offset of the value concerned.
    package let position: Int

    /// A sentence with the position.
    package var description: String {
        let text =
            switch problem {
            case .truncated: "the input ends inside a value"
            case .unexpectedType(let wanted, let marker): "\(wanted) expected, found marker \(hexadecimal(marker))"
            case .unsupportedMarker(let marker): "marker \(hexadecimal(marker)) is not supported"
            case .tooDeep(let limit): "nested deeper than \(limit) levels"
            case .impossibleCount(let count): "\(count) elements announced, more than the input can hold"
            case .outOfRange: "a number out of range"
            case .notText: "a text that is not UTF-8"
            case .trailingBytes(let count): "\(count) bytes behind the end of the value"
            }
        return "MessagePack, byte \(position): \(text)"
    }

    private func hexadecimal(_ marker: UInt8) -> String { "0x" + String(marker, radix: 16) }
}
