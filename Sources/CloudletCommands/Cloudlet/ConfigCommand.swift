// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletNode
import CloudletStore
import CloudletSystem
import Foundation
import SystemPackage

/// `cloudlet config`: lists the node's settings with the values that a node started now would use.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "List the node's settings and their values.",
        discussion:
            "The setting 'a.b-c' is given by the environment variable CLOUDLET_A_B_C or, in the configuration file, by "
            + "the entry 'b-c' under 'a'. An option of cloudlet-node overrides a variable, and a variable overrides the "
            + "file.")

    @Flag(help: "Show the source of each value in place of its meaning.")
    var origin = false

    @Flag(help: "Print a configuration file with all settings commented out, with their meanings and defaults.")
    var template = false

    @Option(help: "Configuration file (default: CLOUDLET_HOME/cloudlet.yaml).", completion: .file())
    var config: String?

    @Option(help: "Output format.")
    var format: OutputFormat = .table

    /// One setting in JSON.
    private struct Entry: Encodable {
        let key: String
        let value: String
        let origin: String
        let help: String
        let defaultValue: String
        let accepted: String
        let reloadable: String

        init(_ entry: NodeConfiguration.Entry) {
            key = entry.setting.key
            value = entry.text
            origin = entry.origin.description
            help = entry.setting.help
            defaultValue = entry.setting.defaultText
            accepted = entry.setting.expected
            reloadable = entry.setting.isReloadable ? "yes" : "no"
        }

        private enum CodingKeys: String, CodingKey {
            case key, value, origin, help, accepted, reloadable
            case defaultValue = "default"
        }
    }

    func validate() throws {
        if template, origin || config != nil || format != .table {
            throw ValidationError("--template takes no other option")
        }
    }

    func run() async throws {
        guard !template else { return Console.result(String(ConfigurationTemplate.text.dropLast())) }
        let home = try CloudletHome.current()
        let source = try await ConfigurationSource(
            options: [:], environment: ProcessInfo.processInfo.environment,
            file: config.map { FilePath($0) } ?? home.configuration, isNamed: config != nil)
        let entries = try NodeConfiguration(source).entries
        switch format {
        case .json:
            try Console.json(entries.map(Entry.init))
        case .table:
            var table = origin ? TextTable("SETTING", "VALUE", "ORIGIN") : TextTable("SETTING", "VALUE", "MEANING")
            for entry in entries {
                table.add(
                    entry.setting.key, entry.text.isEmpty ? "-" : entry.text,
                    origin ? entry.origin.description : entry.setting.help)
            }
            Console.result(table.text)
        }
    }
}
