// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

@testable import CloudletNode

/// The documentation says what is true.
@Suite struct DocumentationTests {
    private let catalogue = Repository.root.appending("Sources/CloudletNode/CloudletNode.docc")

    private func article(_ name: String) throws -> String {
        try String(contentsOfFile: catalogue.appending("\(name).md").string, encoding: .utf8)
    }

    /// Every Swift file of the tests in one text.
    private func tests() throws -> String {
        let root = Repository.root.appending("Tests")
        let files = FileManager.default.enumerator(atPath: root.string)?.compactMap { $0 as? String } ?? []
        return try files.filter { $0.hasSuffix(".swift") }
            .map { try String(contentsOfFile: root.appending($0).string, encoding: .utf8) }.joined()
    }

    @Test("every test that the threat model names exists, and every line names one")
    func threatModel() throws {
        let tests = try tests()
        let rows = try article("ThreatModel").split(separator: "\n").filter {
            $0.hasPrefix("| ") && !$0.hasPrefix("| ---") && !$0.hasPrefix("| attempt")
        }
        #expect(rows.count > 15)
        for row in rows {
            let proof = try #require(row.split(separator: "|").last { !$0.allSatisfy(\.isWhitespace) })
            let suites = proof.matches(of: /[A-Z][A-Za-z]*Tests/).map { String($0.output) }
            #expect(!suites.isEmpty, "no test shows: \(row)")
            for suite in suites {
                let isThere = tests.contains("struct \(suite)")
                #expect(isThere, "there is no suite \(suite)")
            }
            for name in proof.matches(of: /\*([^*]+)\*/) {
                let begin = name.output.1.prefix { $0 != "…" }
                let isThere = tests.contains("@Test(\"\(begin)") || tests.contains("        \"\(begin)")
                #expect(isThere, "there is no test '\(begin)'")
            }
        }
    }

    @Test("the reference of settings says what their declarations say")
    func settings() throws {
        let text = try article("Operations")
        var missing: [String] = []
        for setting in NodeSettings.all {
            let fallback = setting.defaultText.isEmpty ? "none" : "`\(setting.defaultText)`"
            let row =
                "| `\(setting.key)` | \(fallback) | \(setting.help) | \(setting.expected) | "
                + "\(setting.isReloadable ? "yes" : "no") |"
            if !text.contains(row) { missing.append(row) }
        }
        #expect(missing.isEmpty, "Operations lacks:\n\(missing.joined(separator: "\n"))")
        let rows = text.split(separator: "\n").filter { $0.hasSuffix("| yes |") || $0.hasSuffix("| no |") }
        #expect(rows.count == NodeSettings.all.count)
    }

    @Test("every metric is documented as it is")
    func operations() throws {
        let text = try article("Operations")
        for line in NodeMetrics().described where !line.hasPrefix("process_") {
            #expect(text.contains("`\(line)"), "\(line) is not documented")
        }
        for word in ["SIGHUP", "SIGTERM", "/health", "/ready", "/metrics", "cloudlet doctor", "log.format"] {
            #expect(text.contains(word))
        }
    }

    @Test("links between articles lead somewhere")
    func links() throws {
        for name in try Directory.names(in: catalogue) {
            let text = try String(contentsOfFile: catalogue.appending(name).string, encoding: .utf8)
            for link in text.matches(of: /<doc:([A-Za-z]+)>/) {
                #expect(try FileStatus.of(catalogue.appending("\(link.output.1).md")) != nil, "\(link.output.1)")
            }
        }
        let readme = try String(contentsOfFile: Repository.root.appending("README.md").string, encoding: .utf8)
        for link in readme.matches(of: /\]\((Sources[^)]*)\)/) {
            #expect(try FileStatus.of(Repository.root.appending(String(link.output.1))) != nil, "\(link.output.1)")
        }
    }
}

extension NodeMetrics {
    /// The names of all families.
    fileprivate var described: [String] { registry.names }
}
