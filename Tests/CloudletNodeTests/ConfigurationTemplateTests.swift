// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletNode

/// The configuration file that packages install.
@Suite struct ConfigurationTemplateTests {
    private let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    /// The configuration that a file with this text gives.
    private func configuration(_ text: String) async throws -> NodeConfiguration {
        _ = try scratch.write("cloudlet.yaml", Array(text.utf8))
        return try NodeConfiguration(
            try await ConfigurationSource(
                options: [:], environment: [:], file: scratch.file("cloudlet.yaml"), isNamed: true))
    }

    @Test("the template leaves every setting at its default")
    func template() async throws {
        let found = try await configuration(ConfigurationTemplate.text)
        #expect(found.entries.allSatisfy { $0.origin == .defaultValue })
    }

    @Test("each setting of the template, with its comment mark removed, has its default")
    func uncommented() async throws {
        // A comment has a blank after its mark.
        let text = ConfigurationTemplate.text.replacing(/(?m)^( *)#(?=[a-z])/) { $0.output.1 }
        let found = try await configuration(text)
        let others = found.entries.filter { $0.origin == .defaultValue }.map(\.setting.key)
        #expect(others.isEmpty, "the template lacks \(others)")
        #expect(found.entries.map(\.text) == NodeSettings.all.map(\.defaultText))
    }

    @Test("each setting of the template has its meaning, and its accepted values with a mark if it is reloadable")
    func comments() {
        for setting in NodeSettings.all {
            let name = setting.key.split(separator: ".").last ?? ""
            let value = "Value: \(setting.expected)" + (setting.isReloadable ? " (reloadable)" : "")
            let lines = ConfigurationTemplate.text.split(separator: "\n").map { $0.drop { $0 == " " } }
            let isDescribed = lines.indices.dropFirst(2).contains { index in
                lines[index].hasPrefix("#\(name): ") && lines[index - 1] == "# \(value)"
                    && lines[index - 2].lowercased() == "# \(setting.help.lowercased())."
            }
            #expect(isDescribed, "\(setting.key)")
        }
    }

    @Test("one setting of a group can be changed alone")
    func single() async throws {
        let text = ConfigurationTemplate.text.replacing("  #lease: 300", with: "  lease: 5")
        let found = try await configuration(text)
        let changed = found.entries.filter { $0.origin != .defaultValue }
        #expect(changed.map(\.setting.key) == ["session.lease"] && changed.first?.text == "5")
    }
}
