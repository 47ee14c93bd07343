// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not the MessagePack value that was expected, and where.
package struct MessagePackError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package enum Problem: Hashable, Sendable {
        /// The input ended inside a value.
        case truncated
        /// The value is of another type than the one expected.
        case unexpectedType(wanted: String, marker: UInt8)
        /// The marker is reserved or stands for an extension type.
        case unsupportedMarker(UInt8)
        /// Arrays or maps are nested deeper than allowed.
        case tooDeep(limit: Int)
        /// A container announces more elements than the input can hold.
        case impossibleCount(Int)
        /// A number is negative where an unsigned one is expected.
        case outOfRange
        /// A text is not valid UTF-8.
        case notText
        /// Bytes follow the end of the value.
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
            case .unexpectedType(let wanted, let marker): "expected \(wanted), found marker \(hexadecimal(marker))"
            case .unsupportedMarker(let marker): "marker \(hexadecimal(marker)) is not supported"
            case .tooDeep(let limit): "values are nested deeper than \(limit) levels"
            case .impossibleCount(let count): "\(count) elements are announced, more than the input can hold"
            case .outOfRange: "a number is out of range"
            case .notText: "a text is not valid UTF-8"
            case .trailingBytes(let count): "\(count) bytes follow the end of the value"
            }
        return "MessagePack, byte \(position): \(text)"
    }

    private func hexadecimal(_ marker: UInt8) -> String { "0x" + String(marker, radix: 16) }
}
