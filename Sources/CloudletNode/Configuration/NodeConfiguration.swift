// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// The node's configuration: the checked value of each setting, under its name in ``NodeSettings``.
@dynamicMemberLookup package struct NodeConfiguration: Sendable, Hashable {
    /// Reads the settings again.
    package typealias Reload = @Sendable () async throws(CloudletError) -> NodeConfiguration

    /// One setting in a listing of the configuration.
    package struct Entry: Sendable, Hashable {
        /// The setting.
        package let setting: any AnySetting
        /// Its value as text; empty if there is none.
        package let text: String
        /// Where it came from.
        package let origin: ConfigurationSource.Origin
        fileprivate let value: any Sendable

        package static func == (left: Self, right: Self) -> Bool {
            left.setting.key == right.setting.key && left.text == right.text
        }

        package func hash(into hasher: inout Hasher) {
            hasher.combine(setting.key)
            hasher.combine(text)
        }
    }

    /// Every setting with its value and origin, in the order of ``NodeSettings``.
    package let entries: [Entry]
    private let values: [String: any Sendable]

    /// Reads and checks all settings.
    /// - Throws: `CloudletError.configuration` (or `usage`, for the command line) that names the key, the value, the
    ///   expected form and the source of the value.
    package init(_ source: ConfigurationSource) throws(CloudletError) {
        var entries: [Entry] = []
        for setting in NodeSettings.all {
            let (text, origin) = source.value(of: setting)
            do throws(InvalidSetting) {
                let parsed = try setting.parsed(text)
                entries.append(Entry(setting: setting, text: parsed.text, origin: origin, value: parsed.value))
            } catch {
                throw Self.refusal(error, of: setting, from: origin)
            }
        }
        self.init(entries)
    }

    private init(_ entries: [Entry]) {
        self.entries = entries
        values = Dictionary(uniqueKeysWithValues: entries.map { ($0.setting.key, $0.value) })
    }

    private static func refusal(
        _ invalid: InvalidSetting, of setting: any AnySetting, from origin: ConfigurationSource.Origin
    ) -> CloudletError {
        CloudletError(
            origin == .commandLine ? .usage : .configuration,
            "'\(invalid.text.displayable(limit: 60))' is not a valid value for \(setting.key) (from \(origin))"
                + (invalid.reason.map { ": \($0)" } ?? ""),
            advice: "give \(setting.expected)")
    }

    /// The value of a setting.
    package subscript<Value>(dynamicMember path: KeyPath<NodeSettings, Setting<Value>>) -> Value {
        let setting = NodeSettings.declared[keyPath: path]
        return (values[setting.key] as? SettingValue<Value>)?.value ?? setting.defaultValue
    }

    package static func == (left: Self, right: Self) -> Bool { left.entries == right.entries }

    package func hash(into hasher: inout Hasher) { hasher.combine(entries) }

    // MARK: - Reloading

    /// Returns this configuration, with the reloadable settings taken from `next`.
    func reloaded(from next: NodeConfiguration) -> NodeConfiguration {
        NodeConfiguration(zip(entries, next.entries).map { $0.setting.isReloadable ? $1 : $0 })
    }

    /// The keys of the settings whose values differ in `other`.
    func keysChanged(in other: NodeConfiguration) -> [String] {
        zip(entries, other.entries).filter { $0 != $1 }.map { $1.setting.key }
    }
}
