/// One setting of the node, declared once in ``NodeSettings``: help texts, the reference in the documentation, validation
/// and reloading follow from the declaration. A key `a.b-c` is the variable `CLOUDLET_A_B_C` and the YAML entry `b-c` under
/// `a`.
package struct Setting<Value: Sendable>: AnySetting {
    /// The key.
    package let key: String
    /// The value without configuration.
    package let defaultValue: Value
    /// Whether a running node takes over a new value when it reads its configuration again (SIGHUP).
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

    /// What the setting means, one line, with the unit of its values.
    package var help: String { format.unit.map { "\(meaning), in \($0)" } ?? meaning }
    /// The values that can be given, as in "give …".
    package var expected: String { format.expected }
    /// The words that can be given, where there are few.
    package var choices: [String] { format.choices }
    /// Whether it takes several values.
    package var isList: Bool { format.isList }
    /// The default as it would be written.
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
    /// What the setting means, one line.
    var help: String { get }
    /// The values that can be given, as in "give …".
    var expected: String { get }
    /// The words that can be given, where there are few.
    var choices: [String] { get }
    /// Whether it takes several values.
    var isList: Bool { get }
    /// The default as it would be written; empty for none.
    var defaultText: String { get }
    /// Whether a running node takes over a new value.
    var isReloadable: Bool { get }

    /// Reads a value.
    /// - Throws: why the text is not one.
    func parsed(_ text: String) throws(InvalidSetting) -> ParsedSetting
}

/// A value of some setting.
package struct ParsedSetting: Sendable {
    /// The value as it is listed.
    let text: String
    /// The ``SettingValue`` of the setting's type.
    let value: any Sendable
}

/// A value in a box of its own type: an optional value would lose a level when it is cast.
struct SettingValue<Value: Sendable>: Sendable {
    let value: Value
}
