// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSystem

/// The text form of a setting's values, and which values are valid.
struct SettingFormat<Value: Sendable>: Sendable {
    /// The accepted form of a value, as the object of "give …".
    let expected: String
    /// The unit, if a value is a quantity.
    var unit: String?
    /// Whether the values form a list, whose elements are separated by commas.
    var isList = false
    /// The accepted words, if the values are words.
    var choices: [String] = []
    /// Parses a value.
    let parse: @Sendable (String) throws(InvalidSetting) -> Value
    /// Formats a value.
    let text: @Sendable (Value) -> String
}

extension SettingFormat<String?> {
    /// Any text; an empty text stands for no value.
    static func text(_ expected: String) -> Self {
        optional(expected) { (_) throws(InvalidSetting) in }
    }

    /// An IPv4 address of this host; an empty text stands for no value.
    static var forwardAddress: Self {
        optional("an IPv4 address of this host") { (text) throws(InvalidSetting) in
            if let reason = ForwardAddress.objection(to: text) { throw InvalidSetting(text: text, reason: reason) }
        }
    }

    private static func optional(
        _ expected: String, _ check: @escaping @Sendable (String) throws(InvalidSetting) -> Void
    ) -> Self {
        Self(
            expected: expected,
            parse: { (text) throws(InvalidSetting) in
                guard !text.isEmpty else { return nil }
                try check(text)
                return text
            }, text: { $0 ?? "" })
    }

    /// A name for people, with unsuitable characters replaced as in every protocol; an empty text stands for no value.
    static var nodeName: Self {
        Self(
            expected: "a name with a letter, a digit or another visible character",
            parse: { (text) throws(InvalidSetting) in
                guard !text.isEmpty else { return nil }
                guard let name = NodeName.visible(text) else {
                    throw InvalidSetting(text: text, reason: "it has no visible character")
                }
                return name
            }, text: { $0 ?? "" })
    }
}

extension SettingFormat<Bool> {
    /// `true` or `false`.
    static var flag: Self {
        Self(
            expected: "true or false",
            parse: { (text) throws(InvalidSetting) in
                guard let value = Bool(text.lowercased()) else { throw InvalidSetting(text: text) }
                return value
            }, text: { String($0) })
    }
}

extension SettingFormat where Value: FixedWidthInteger {
    /// A whole number in a range.
    static func number(_ range: ClosedRange<Value>) -> Self {
        Self(
            expected: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            parse: { (text) throws(InvalidSetting) in
                guard let value = Value(text), range.contains(value) else { throw InvalidSetting(text: text) }
                return value
            }, text: { String($0) })
    }
}

extension SettingFormat<Int> {
    /// A size in bytes, written as a whole number of MiB in a range, or with another unit.
    static func mebibytes(_ range: ClosedRange<Int>) -> Self {
        Self(
            expected: "a whole number of MiB from \(range.lowerBound) to \(range.upperBound), or a size such as 4GiB",
            unit: "MiB",
            parse: { (text) throws(InvalidSetting) in
                guard let size = ByteCount(text, plainUnit: 1 << 20), size.bytes % (1 << 20) == 0,
                    range.contains(size.bytes >> 20)
                else { throw InvalidSetting(text: text) }
                return size.bytes
            }, text: { String($0 >> 20) })
    }
}

extension SettingFormat<Duration> {
    /// Seconds in a range; fractions are allowed.
    static func seconds(_ range: ClosedRange<Int>) -> Self {
        let bounds = Double(range.lowerBound)...Double(range.upperBound)
        return Self(
            expected: "seconds from \(range.lowerBound) to \(range.upperBound)", unit: "seconds",
            parse: { (text) throws(InvalidSetting) in
                guard let value = Double(text), bounds.contains(value) else { throw InvalidSetting(text: text) }
                return .seconds(value)
            },
            text: { duration in
                Int(exactly: duration.seconds).map { String($0) } ?? String(duration.seconds)
            })
    }
}

extension SettingFormat where Value: RawRepresentable<String> & Equatable {
    /// One of these words.
    static func choice(_ values: [Value]) -> Self {
        Self(
            expected: "one of \(values.map(\.rawValue).joined(separator: ", "))", choices: values.map(\.rawValue),
            parse: { (text) throws(InvalidSetting) in
                guard let value = Value(rawValue: text), values.contains(value) else {
                    throw InvalidSetting(text: text)
                }
                return value
            }, text: { $0.rawValue })
    }
}

extension SettingFormat<[String]> {
    /// A list of interface names.
    static var interfaces: Self {
        list(
            "names of interfaces, as 'ip -brief address' lists them",
            element: { (word) throws(InvalidSetting) in
                if let reason = InterfacePolicy.objection(toName: word) {
                    throw InvalidSetting(text: word, reason: reason)
                }
                return word
            }, text: { $0 })
    }
}

extension SettingFormat<[ListenAddress]> {
    /// A list of addresses to listen on.
    static var listenAddresses: Self {
        list(
            ListenAddress.expected,
            element: { (word) throws(InvalidSetting) in
                do throws(ListenAddress.Invalid) { return try ListenAddress(word) } catch {
                    throw InvalidSetting(text: word, reason: error.reason)
                }
            }, text: { "\($0)" })
    }
}

extension SettingFormat {
    /// A list whose elements are separated by commas.
    fileprivate static func list<Element: Sendable>(
        _ expected: String, element: @escaping @Sendable (String) throws(InvalidSetting) -> Element,
        text: @escaping @Sendable (Element) -> String
    ) -> Self where Value == [Element] {
        Self(
            expected: expected, isList: true,
            parse: { (list) throws(InvalidSetting) in
                var elements: [Element] = []
                for word in list.split(separator: ",") {
                    let word = String(word).trimmingBlanks
                    if !word.isEmpty { elements.append(try element(word)) }
                }
                return elements
            }, text: { $0.map(text).joined(separator: ",") })
    }
}

extension String {
    /// The text without leading and trailing spaces.
    fileprivate var trimmingBlanks: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
