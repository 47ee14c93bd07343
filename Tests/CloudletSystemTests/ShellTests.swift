// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

/// Words of printed commands, as shells understand them.
@Suite struct ShellTests {
    @Test(
        "a word reaches a program as it is, whatever is in it", arguments: ["sh", "bash"],
        [
            "plain-1.raw", "", "two words", "it's", "$(id)`id`$HOME", "a\\b", "-n", "~", "*?[x]", "semi;colon&|<>",
            "#x",
            "line\nfeed", "\u{1B}[31mred%s\\n'\"", "möhre", "a\u{202E}b", "{a,b}", "!x", "=ls",
        ])
    func word(shell: String, text: String) async throws {
        let word = Shell.word(text)
        let result = try await Tool.run(shell, ["-c", "printf '<%s>' \(word)"])
        #expect(result.status == 0 && result.output == "<\(text)>", "\(word): \(result.output)\(result.errors)")
        #expect(!word.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x202E }, "\(word)")
    }

    @Test("a path in a command is the same file everywhere, and no option")
    func path() {
        #expect(Shell.path("/a/b c") == "'/a/b c'")
        #expect(Shell.path("-rf").hasPrefix("/") || Shell.path("-rf").hasPrefix("'/"))
        #expect(Shell.command("cloudlet", "del-base", "/x/it's") == "cloudlet del-base '/x/it'\\''s'")
    }

    @Test("a free name is found beside those that are taken, links that lead nowhere among them")
    func free() async throws {
        let scratch = try ScratchDirectory()
        #expect(scratch.file("a.raw").firstFree == scratch.file("a.raw"))
        _ = try scratch.write("a.raw", [])
        _ = try await Tool.run("ln", ["-s", "nowhere", scratch.file("a-2.raw").string])
        #expect(scratch.file("a.raw").firstFree == scratch.file("a-3.raw"))
    }
}
