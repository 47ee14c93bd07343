// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Configuration
package import SystemPackage
import Yams

/// The sources of settings. The first one that has a setting wins: command line, environment (`CLOUDLET_…`), file,
/// default.
package struct ConfigurationSource: Sendable {
    /// Where a value came from.
    package enum Origin: Sendable, Hashable, CustomStringConvertible {
        /// An option of the command.
        case commandLine
        /// The environment variable with this name.
        case environment(String)
        /// The file with this path.
        case file(String)
        /// No source has a value, so the default applies.
        case defaultValue

        /// The source as shown in lists.
        package var description: String {
            switch self {
            case .commandLine: "command line"
            case .environment(let name): "environment \(name)"
            case .file(let path): path
            case .defaultValue: "default"
            }
        }
    }

    private let layers: [(reader: ConfigReader, origin: @Sendable (String) -> Origin)]
    /// Keys that occur in the file without a value.
    private let empty: Set<String>

    /// Gathers the sources.
    /// - Parameters:
    ///   - options: values given on the command line, by key.
    ///   - environment: the process's environment.
    ///   - file: the configuration file; a missing one is an error only when the user named it.
    ///   - isNamed: whether the user named the file.
    /// - Throws: `CloudletError.configuration` when the file can't be read, is not valid YAML, or has an unknown key.
    package init(
        options: [String: [String]], environment: [String: String], file: FilePath?, isNamed: Bool
    ) async throws(CloudletError) {
        var layers: [(ConfigReader, @Sendable (String) -> Origin)] = []
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        for (key, words) in options {
            let content: ConfigContent = words.count == 1 ? .string(words[0]) : .stringArray(words)
            values[AbsoluteConfigKey(stringLiteral: key)] = ConfigValue(content, isSecret: false)
        }
        layers.append((ConfigReader(provider: InMemoryProvider(values: values)), { _ in .commandLine }))

        let prefix = "CLOUDLET_"
        let own = environment.filter { $0.key.hasPrefix(prefix) }
        let stripped = Dictionary(uniqueKeysWithValues: own.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
        layers.append(
            (
                ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: stripped)),
                { .environment(prefix + $0.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()) }
            ))
        var empty: Set<String> = []
        let exists = if let file { try FileStatus.of(file) != nil } else { false }
        if let file, isNamed || exists, let keys = try Self.requireKnownKeys(file) {
            empty = keys
            do {
                let provider = try await FileProvider<YAMLSnapshot>(filePath: file)
                layers.append((ConfigReader(provider: provider), { _ in .file(file.string) }))
            } catch {
                throw CloudletError(.configuration, "the configuration file \(file) can't be used", cause: error)
            }
        }
        self.empty = empty
        self.layers = layers
    }

    /// The value of a setting as text, and where it came from. Elements of a list are separated by commas.
    func value(of setting: any AnySetting) -> (text: String, origin: Origin) {
        let key = ConfigKey(setting.key)
        for layer in layers {
            if setting.isList, let list = layer.reader.stringArray(forKey: key) {
                return (list.joined(separator: ","), layer.origin(setting.key))
            }
            if let text = Self.text(key, layer.reader) {
                let origin = layer.origin(setting.key)
                if case .file = origin, empty.contains(setting.key) { continue }
                return (text, origin)
            }
        }
        return (setting.defaultText, .defaultValue)
    }

    /// A scalar value of any type as text.
    private static func text(_ key: ConfigKey, _ reader: ConfigReader) -> String? {
        if let text = reader.string(forKey: key) { return text }
        if let flag = reader.bool(forKey: key) { return String(flag) }
        if let number = reader.int(forKey: key) { return String(number) }
        return reader.double(forKey: key).map { String($0) }
    }

    /// The largest accepted file in bytes.
    private static let longest = 1 << 20

    /// Checks the keys of the file, because a mistyped key, or a list instead of a single value, would otherwise be
    /// ignored silently.
    /// - Returns: the keys without a value, which have no effect, as when the value was commented out; `nil` if the
    ///   whole file has no effect.
    private static func requireKnownKeys(_ file: FilePath) throws(CloudletError) -> Set<String>? {
        let open = try File(file, .read)
        let bytes = try open.read(longest + 1, at: 0)
        guard bytes.count <= longest else {
            throw CloudletError(
                .configuration, "the configuration file \(file) is larger than \(ByteCount(longest))",
                advice: "name a file of lines 'key: value'")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let node: Yams.Node?
        do { node = try compose(yaml: text) } catch {
            let reason = (error as? YamlError)?.reason ?? (text: "\(error)", advice: nil)
            throw CloudletError(
                .configuration, "the configuration file \(file) is not valid YAML: \(reason.text)",
                advice: reason.advice)
        }
        guard let node, !isEmpty(node) else { return nil }
        guard case .mapping = node else {
            throw CloudletError(
                .configuration, "the configuration file \(file) contains \(kind(of: node)) where settings are expected",
                advice: "write a line 'key: value' for each setting")
        }
        var empty: Set<String> = []
        for (key, value) in entries(in: node, below: "") {
            let setting = NodeSettings.all.first { $0.key == key }
            let isSetting = setting != nil
            if let setting, case .sequence = value, !setting.isList {
                throw CloudletError(
                    .configuration, "the configuration file \(file) has a list for \(key), which takes one value",
                    advice: "write 'VALUE' in place of '[VALUE]' or '- VALUE'")
            }
            // A group whose settings are all commented out, or a setting whose value is commented out.
            if isEmpty(value), isSetting || NodeSettings.all.contains(where: { $0.key.hasPrefix(key + ".") }) {
                empty.insert(key)
            } else if !isSetting {
                throw CloudletError(
                    .configuration,
                    "the configuration file \(file) has the unknown key '\(key.displayable(limit: 60))'",
                    advice: "'cloudlet config' lists the known ones")
            }
        }
        return empty
    }

    /// Whether the value of a YAML node is null.
    private static func isEmpty(_ node: Yams.Node) -> Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    private static func kind(of node: Yams.Node) -> String {
        if case .sequence = node { "a list" } else { "a text" }
    }

    private static func entries(in node: Yams.Node, below prefix: String) -> [(key: String, value: Yams.Node)] {
        guard case .mapping(let mapping) = node else { return [(prefix, node)] }
        return mapping.flatMap { key, value in
            let name = key.string ?? ""
            return entries(in: value, below: prefix.isEmpty ? name : "\(prefix).\(name)")
        }
    }
}
