// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Testing

/// The program in the article is the one that is compiled and run in tests.
@Suite struct WritingAClientTests {
    @Test("the article shows the program that is tested, and it is short")
    func program() throws {
        let program = try Repository.program("Tests/ClientExample/Main.swift")
        let article = try Repository.text("Sources/CloudletClient/CloudletClient.docc/WritingAClient.md")
        #expect(article.contains("```swift\n\(program)```\n"))
        #expect(program.split(separator: "\n", omittingEmptySubsequences: false).count <= 31)
        #expect(program.split(separator: "\n").filter { $0.hasPrefix("import") } == ["import CloudletClient"])
    }
}
