// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A MessagePack value as a tree, for messages of a few dozen values.
package enum MessagePackValue: Hashable, Sendable {
    /// Nothing.
    case `nil`
    /// True or false.
    case bool(Bool)
    /// An integer that is not negative.
    case unsigned(UInt64)
    /// A negative integer.
    case negative(Int64)
    /// A floating-point number.
    case double(Double)
    /// Bytes; text is UTF-8 by convention.
    case raw([UInt8])
    /// Values in order.
    case array([MessagePackValue])
    /// Pairs in the order written; keys are normally text.
    case map([Pair])

    /// A key and its value.
    package struct Pair: Hashable, Sendable {
        /// The key.
        package let key: MessagePackValue
        /// The value.
        package let value: MessagePackValue

        /// Creates a pair.
        package init(_ key: MessagePackValue, _ value: MessagePackValue) {
            self.key = key
            self.value = value
        }
    }

    /// A text as raw bytes.
    package static func text(_ text: String) -> MessagePackValue { .raw(Array(text.utf8)) }

    /// A map with text keys.
    package static func record(_ pairs: (String, MessagePackValue)...) -> MessagePackValue {
        .map(pairs.map { Pair(.text($0.0), $0.1) })
    }

    /// The value of the first pair with this text key, if this is a map.
    package subscript(key: String) -> MessagePackValue? {
        guard case .map(let pairs) = self else { return nil }
        let wanted = MessagePackValue.text(key)
        return pairs.first { $0.key == wanted }?.value
    }

    /// The number, if this is an integer that is not negative.
    package var unsigned: UInt64? {
        if case .unsigned(let value) = self { value } else { nil }
    }

    /// The truth value, if this is one.
    package var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The number, if this is one of any kind.
    package var double: Double? {
        switch self {
        case .double(let value): value
        case .unsigned(let value): Double(value)
        case .negative(let value): Double(value)
        default: nil
        }
    }

    /// The text, if this is raw UTF-8.
    package var text: String? {
        if case .raw(let bytes) = self { String(validating: bytes, as: UTF8.self) } else { nil }
    }

    /// The elements, if this is an array.
    package var array: [MessagePackValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }
}
