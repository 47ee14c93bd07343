// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A setting of the node, declared once in ``NodeSettings``. Help texts, the reference in the documentation, validation
/// and reloading follow from the declaration. A key `a.b-c` is the variable `CLOUDLET_A_B_C` and the YAML entry `b-c`
/// under `a`.
package struct Setting<Value: Sendable>: AnySetting {
    /// The key.
    package let key: String
    /// The default value.
    package let defaultValue: Value
    /// Whether a running node applies a new value when it reads its configuration again (SIGHUP).
    package let isReloadable: Bool
    private let format: SettingFormat<Value>
    private let meaning: String

    init(
        _ key: String, _ format: SettingFormat<Value>, default defaultValue: Value, isReloadable: Bool = false,
        _ meaning: String
    ) {
        self.key = key
        self.format = format
        self.defaultValue = defaultValue
        self.isReloadable = isReloadable
        self.meaning = meaning
    }

    /// The meaning of the setting in one line, with the unit of its values.
    package var help: String { format.unit.map { "\(meaning), in \($0)" } ?? meaning }
    /// The accepted form of a value, as the object of "give …".
    package var expected: String { format.expected }
    /// The accepted words, if the values are words.
    package var choices: [String] { format.choices }
    /// Whether it accepts a list of values.
    package var isList: Bool { format.isList }
    /// The default in the form that is parsed.
    package var defaultText: String { format.text(defaultValue) }

    package func parsed(_ text: String) throws(InvalidSetting) -> ParsedSetting {
        let value = try format.parse(text)
        return ParsedSetting(text: format.text(value), value: SettingValue(value: value))
    }
}

/// A setting of any type.
package protocol AnySetting: Sendable {
    /// The key.
    var key: String { get }
    /// The meaning of the setting in one line, with the unit of its values.
    var help: String { get }
    /// The accepted form of a value, as the object of "give …".
    var expected: String { get }
    /// The accepted words, if the values are words.
    var choices: [String] { get }
    /// Whether it accepts a list of values.
    var isList: Bool { get }
    /// The default in the form that is parsed; empty if there is none.
    var defaultText: String { get }
    /// Whether a running node applies a new value.
    var isReloadable: Bool { get }

    /// Parses a value.
    /// - Throws: why the text is not a valid value.
    func parsed(_ text: String) throws(InvalidSetting) -> ParsedSetting
}

/// A parsed value of a setting.
package struct ParsedSetting: Sendable {
    /// The value as text, for listings.
    let text: String
    /// The ``SettingValue`` of the setting's type.
    let value: any Sendable
}

/// Wraps a value in its own type, because casting an optional value directly would lose a level of optionality.
struct SettingValue<Value: Sendable>: Sendable {
    let value: Value
}
