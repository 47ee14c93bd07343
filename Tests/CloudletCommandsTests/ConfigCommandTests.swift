// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

@testable import CloudletCommands

extension CommandTests {
    /// `config`.
    @Suite struct ConfigCommandTests {
        private let home: Home
        init() throws { home = try Home() }

        @Test("settings are listed with their meaning, or with where they come from")
        func list() async throws {
            _ = try home.scratch.write("node.yaml", Array("name: Cellar\nhttp:\n  port: 8099\n".utf8))
            let file = home.scratch.file("node.yaml").string
            let table = await home.run("config", "--config", file)
            #expect(table.status == 0 && table.rows.first == "SETTING VALUE MEANING", "\(table)")
            #expect(table.rows.contains { $0.hasPrefix("name Cellar ") }, "\(table.output)")
            #expect(table.rows.contains { $0.hasPrefix("http.port 8099 ") })
            let origins = await home.run("config", "--config", file, "--origin")
            #expect(origins.rows.first == "SETTING VALUE ORIGIN")
            #expect(
                origins.rows.contains { $0.hasPrefix("name Cellar ") && $0.contains("node.yaml") }, "\(origins.output)")
            let json = await home.run("config", "--config", file, "--format", "json")
            let entries = try #require(
                try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: String]])
            let port = try #require(entries.first { $0["key"] == "http.port" })
            #expect(port["value"] == "8099" && port["help"]?.isEmpty == false && port["origin"]?.isEmpty == false)
            #expect(port["default"] == "8022" && port["accepted"]?.contains("65535") == true)
            #expect(port["reloadable"] == "no" && entries.contains { $0["reloadable"] == "yes" })
        }

        @Test("the template is a configuration file")
        func template() async throws {
            let template = await home.run("config", "--template")
            #expect(template.status == 0 && template.errors.isEmpty, "\(template)")
            _ = try home.scratch.write("node.yaml", Array(template.output.utf8))
            let listed = await home.run("config", "--config", home.scratch.file("node.yaml").string)
            let defaults = await home.run("config")
            #expect(listed.status == 0 && listed.output == defaults.output)
            let contradiction = await home.run("config", "--template", "--origin")
            #expect(contradiction.status == 64 && contradiction.errors.contains("--template takes no other option"))
        }

        @Test(
            "a configuration that can't be used ends with its status and the entry's name",
            arguments: [
                ("nonsense: 1\n", "nonsense"), ("http:\n  port: 70000\n", "http.port"), ("name: [\n", "node.yaml"),
            ])
        func wrong(text: String, word: String) async throws {
            _ = try home.scratch.write("node.yaml", Array(text.utf8))
            let result = await home.run("config", "--config", home.scratch.file("node.yaml").string)
            #expect(result.status == 78 && result.errors.contains(word) && result.output.isEmpty, "\(result)")
        }

        @Test("a configuration file that is named must exist, the usual one need not")
        func missing() async {
            #expect(await home.run("config").status == 0)
            #expect(await home.run("config", "--config", "/nonexistent.yaml").status != 0)
        }
    }
}
