// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

/// The program in the article is the one that is compiled and run in tests.
@Suite struct WritingAClientTests {
    private func text(_ path: String) throws -> String {
        String(decoding: try File(Repository.root.appending(path), .read).read(1 << 20, at: 0), as: UTF8.self)
    }

    @Test("the article shows the program that is tested, and it is short")
    func program() throws {
        let program = try text("Tests/ClientExample/Main.swift")
        let article = try text("Sources/CloudletClient/CloudletClient.docc/WritingAClient.md")
        #expect(article.contains("```swift\n\(program)```\n"))
        #expect(program.split(separator: "\n", omittingEmptySubsequences: false).count <= 31)
        #expect(program.split(separator: "\n").filter { $0.hasPrefix("import") } == ["import CloudletClient"])
    }
}
