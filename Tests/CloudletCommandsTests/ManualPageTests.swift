// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

/// The manual pages that packages contain are made from the help of the programs.
@Suite struct ManualPageTests {
    private let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    /// Makes the pages from the output of `cloudlet`.
    private func make(from arguments: [String], _ words: [String]) async throws {
        let cloudlet = Repository.programs.appending("cloudlet").string
        let environment = ["CLOUDLET_HOME": scratch.file("home").string]
        let output = try await Tool.run(cloudlet, arguments, environment: environment).output
        let made = try await Tool.run(Repository.script("packaging/manual.py"), words, input: output)
        try #require(made.status == 0, "\(made.errors)")
    }

    /// A page as it is shown, without formatting.
    private func page(_ name: String) async throws -> String {
        let shown = try await Tool.run(
            "man", ["--warnings", "-l", scratch.file(name).string],
            environment: ["MANWIDTH": "1000", "LC_ALL": "C.UTF-8"])
        #expect(shown.status == 0 && shown.errors.isEmpty, "\(shown.errors)")
        return shown.output
    }

    @Test("each command has a page with its purpose, its options and the exit codes")
    func commands() async throws {
        try await make(
            from: ["--experimental-dump-help"], ["commands", scratch.path.string, "1", "1.0.0", "2026-01-01"])
        let overview = try await page("cloudlet.1")
        for command in ["base", "overlay", "synthesis", "add-base", "list-session", "doctor"] {
            #expect(overview.contains("cloudlet-\(command)(1)"))
            #expect(try await page("cloudlet-\(command).1").contains("cloudlet \(command)"))
        }
        #expect(!overview.contains("cloudlet-help"))
        let overlay = try await page("cloudlet-overlay.1")
        for part in [
            "--output, -o", "--disk-only", "EXIT STATUS", "CLOUDLET_HOME", "Default: xz.",
            "cloudlet overlay disk [--output output]",
        ] {
            #expect(overlay.contains(part), "\(part) in \(overlay)")
        }
        // Other renderings than this system's show a plain '-' as a hyphen, which can't be copied to a command line.
        let source = try String(contentsOfFile: scratch.file("cloudlet-overlay.1").string, encoding: .utf8)
        #expect(source.contains(#"\-\-disk\-only"#))
    }

    @Test("a text that begins with a dot is shown, and is not a command of the formatter")
    func leadingDot() async throws {
        let entries = #"[{"key": "a.b", "default": "", "reloadable": "no", "accepted": "c", "help": ".so d"}]"#
        let words = ["settings", scratch.path.string, "1.0.0", "2026-01-01"]
        let made = try await Tool.run(Repository.script("packaging/manual.py"), words, input: entries)
        #expect(made.status == 0, "\(made.errors)")
        #expect(try await page("cloudlet.yaml.5").contains(".so d. Value: c."))
    }

    @Test("the page of the configuration file explains every setting")
    func settings() async throws {
        try await make(from: ["config", "--format", "json"], ["settings", scratch.path.string, "1.0.0", "2026-01-01"])
        let text = try await page("cloudlet.yaml.5")
        for part in ["session.lease", "Default: 300.", "seconds from 0 to 86400", "Reloadable.", "log.format"] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
    }
}
