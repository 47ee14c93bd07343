public import CloudletCore
import CloudletSystem
import Configuration
public import SystemPackage
import Yams

/// Where settings come from, the first that has one wins: command line, environment (`CLOUDLET_…`), file, default.
public struct ConfigurationSource: Sendable {
    /// Where a value came from.
    public enum Origin: Sendable, Hashable, CustomStringConvertible {
        /// An option of the command.
        case commandLine
        /// The variable with this name.
        case environment(String)
        /// The file with this path.
        case file(String)
        /// Nowhere: it is the default.
        case fallback

        /// For lists.
        public var description: String {
            switch self {
            case .commandLine: "command line"
            case .environment(let name): "environment \(name)"
            case .file(let path): path
            case .fallback: "default"
            }
        }
    }

    private let layers: [(reader: ConfigReader, origin: @Sendable (String) -> Origin)]

    /// Gathers the sources.
    /// - Parameters:
    ///   - options: values given on the command line, by key.
    ///   - environment: the process's environment.
    ///   - file: the configuration file; a missing one is an error only when the user named it.
    ///   - isNamed: whether the user named the file.
    /// - Throws: `CloudletError.configuration` when the file can't be read, is no YAML, or has an unknown key.
    public init(
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
        let exists = if let file { try FileStatus.of(file) != nil } else { false }
        if let file, isNamed || exists {
            try Self.requireKnownKeys(file)
            do {
                let provider = try await FileProvider<YAMLSnapshot>(filePath: file)
                layers.append((ConfigReader(provider: provider), { _ in .file(file.string) }))
            } catch {
                throw CloudletError(.configuration, "the configuration file \(file) can't be used", cause: error)
            }
        }
        self.layers = layers
    }

    /// The value of a setting as text, and where it came from. Elements of a list are separated by commas.
    func value(of setting: Setting) -> (text: String, origin: Origin) {
        let key = ConfigKey(setting.key)
        for layer in layers {
            if setting.kind == .list, let list = layer.reader.stringArray(forKey: key) {
                return (list.joined(separator: ","), layer.origin(setting.key))
            }
            if let text = Self.text(key, layer.reader) { return (text, layer.origin(setting.key)) }
        }
        return (setting.fallback, .fallback)
    }

    /// A value of any scalar type as text.
    private static func text(_ key: ConfigKey, _ reader: ConfigReader) -> String? {
        if let text = reader.string(forKey: key) { return text }
        if let flag = reader.bool(forKey: key) { return String(flag) }
        if let number = reader.int(forKey: key) { return String(number) }
        return reader.double(forKey: key).map { String($0) }
    }

    /// A mistyped key would otherwise do nothing, silently.
    private static func requireKnownKeys(_ file: FilePath) throws(CloudletError) {
        let open = try File(file, .read)
        let text = String(decoding: try open.read(1 << 20, at: 0), as: UTF8.self)
        let node: Yams.Node?
        do { node = try compose(yaml: text) } catch {
            throw CloudletError(.configuration, "the configuration file \(file) is no YAML", cause: error)
        }
        for key in node.map({ keys(in: $0, below: "") }) ?? [] where !Setting.all.contains(where: { $0.key == key }) {
            throw CloudletError(
                .configuration, "the configuration file \(file) has the unknown key '\(key.displayable(limit: 60))'",
                advice: "'cloudlet config' lists the known ones")
        }
    }

    private static func keys(in node: Yams.Node, below prefix: String) -> [String] {
        guard case .mapping(let mapping) = node else { return prefix.isEmpty ? [] : [prefix] }
        return mapping.flatMap { key, value in
            let name = key.string ?? ""
            return keys(in: value, below: prefix.isEmpty ? name : "\(prefix).\(name)")
        }
    }
}
