// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import CloudletCore
import CloudletNode
import CloudletStore
import CloudletSystem
import Foundation
import SystemPackage

/// `cloudlet-node`: the daemon.
package struct NodeCommand: AsyncParsableCommand {
    /// Name and purpose.
    package static let configuration = CommandConfiguration(
        commandName: "cloudlet-node",
        abstract: "Run a cloudlet node, which clients on the LAN find and which runs their VMs.",
        discussion:
            "The settings of the node are given by these options, by environment variables or in the configuration "
            + "file; 'cloudlet config' lists all of them. On SIGHUP the node reads its settings again; on SIGTERM it ends "
            + "its VMs and exits.",
        version: ProgramVersion.text)

    @Option(help: .setting(\.listenAddresses))
    var listen: [String] = []

    @Option(help: .setting(\.interfaces))
    var interface: [String] = []

    @Option(help: .setting(\.name))
    var name: String?

    @Option(name: .customLong("http-port"), help: .setting(\.httpPort))
    var httpPort: String?

    @Option(name: .customLong("upnp-engine"), help: .setting(\.upnpEngine))
    var upnpEngine: String?

    @Option(help: .setting(\.libvirtURI))
    var connect: String?

    @Option(help: .setting(\.accelerator))
    var accelerator: String?

    @Option(name: .customLong("log-level"), help: .setting(\.logLevel))
    var logLevel: String?

    @Option(name: .customLong("log-format"), help: .setting(\.logFormat))
    var logFormat: String?

    @Option(help: "Configuration file (default: CLOUDLET_HOME/cloudlet.yaml).", completion: .file())
    var config: String?

    /// Creates the command.
    package init() {}

    /// Runs the node until a signal ends it.
    package func run() async throws {
        MallocArenas.limit()
        DescriptorLimit.raise()
        try await DispatchFiles.keep()
        let home = try CloudletHome.current()
        let (options, file, isNamed) = (options, config.map { FilePath($0) } ?? home.configuration, config != nil)
        let read = { @Sendable () async throws(CloudletError) -> NodeConfiguration in
            try NodeConfiguration(
                try await ConfigurationSource(
                    options: options, environment: ProcessInfo.processInfo.environment, file: file, isNamed: isNamed))
        }
        let configuration = try await read()
        let logs = LogOutput(
            identifier: "cloudlet-node", format: configuration.logFormat, level: configuration.logLevel)
        do {
            try await Node(configuration: configuration, home: home, logs: logs, reload: read).run()
            await logs.flush()
        } catch {
            await logs.flush()
            throw error
        }
    }

    /// The settings given on the command line, by key.
    private var options: [String: [String]] {
        let settings = NodeSettings.declared
        let given: [(any AnySetting, [String?])] = [
            (settings.listenAddresses, listen), (settings.interfaces, interface), (settings.name, [name]),
            (settings.httpPort, [httpPort]), (settings.upnpEngine, [upnpEngine]), (settings.libvirtURI, [connect]),
            (settings.accelerator, [accelerator]), (settings.logLevel, [logLevel]), (settings.logFormat, [logFormat]),
        ]
        var options: [String: [String]] = [:]
        for (setting, words) in given {
            let words = words.compactMap(\.self)
            if !words.isEmpty { options[setting.key] = words }
        }
        return options
    }
}

extension ArgumentHelp {
    /// The help text of an option that sets one of the node's settings.
    fileprivate static func setting(_ path: KeyPath<NodeSettings, some AnySetting>) -> ArgumentHelp {
        let setting = NodeSettings.declared[keyPath: path]
        let choices = setting.choices.isEmpty ? "" : ": \(setting.choices.joined(separator: ", "))"
        let rest = setting.isList ? "; repeatable" : ""
        return ArgumentHelp(
            stringLiteral: "\(setting.help.prefix(1).uppercased())\(setting.help.dropFirst())\(choices)\(rest).")
    }
}
