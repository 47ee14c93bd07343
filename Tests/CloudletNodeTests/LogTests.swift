// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Foundation
import Logging
import Testing

@testable import CloudletNode

/// The forms of log lines.
@Suite struct LogTests {
    private let line = LogLine(
        level: .warning, message: "client\u{1B}[2J is\nodd",
        fields: ["session": "42", "reason": "a \"b\" = c\nMESSAGE=forged", "empty": ""], source: "Test")

    @Test("text is one line, and nothing a client sent steers the terminal or adds a field")
    func text() {
        #expect(!line.text.contains("\n") && !line.text.contains("\u{1B}"))
        #expect(
            line.text.contains(#" warning client�[2J is�odd empty="" reason="a \"b\" = c�MESSAGE=forged" session=42"#))
        #expect(line.text.firstMatch(of: /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+/) != nil)
    }

    @Test("JSON holds everything as it is, one object a line")
    func json() throws {
        let text = line.json("cloudlet-node")
        #expect(!text.contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String])
        #expect(object["message"] == "client\u{1B}[2J is\nodd" && object["level"] == "warning")
        #expect(object["reason"] == "a \"b\" = c\nMESSAGE=forged" && object["session"] == "42")
        #expect(object["program"] == "cloudlet-node" && object["time"] != nil)
    }

    @Test("what turns text around, or steers a terminal in one byte, is raw in no form")
    func foreign() throws {
        let line = LogLine(
            level: .info, message: "node\u{61C}", fields: ["name": "a\u{61C}b\u{202E}\u{9B}c\u{200D}d"], source: "Test")
        let journal = line.journalFields("cloudlet-node").map(\.value).joined(separator: " ")
        for text in [line.text, line.json("cloudlet-node"), journal] {
            #expect(!text.unicodeScalars.contains { [0x61C, 0x202E, 0x9B].contains($0.value) }, "\(text)")
            #expect(text.unicodeScalars.contains("\u{200D}"))
        }
        let data = Data(line.json("cloudlet-node").utf8)
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: String])
        #expect(object["name"] == line.fields["name"] && object["message"] == "node\u{61C}")
    }

    @Test("journal fields have names the journal takes and syslog's priorities")
    func journal() {
        let fields = Dictionary(uniqueKeysWithValues: line.journalFields("cloudlet-node").map { ($0.name, $0.value) })
        #expect(fields["PRIORITY"] == "4" && fields["CLOUDLET_SESSION"] == "42")
        #expect(fields["SYSLOG_IDENTIFIER"] == "cloudlet-node")
        #expect(fields.keys.allSatisfy { $0.wholeMatch(of: /[A-Z][A-Z0-9_]{0,63}/) != nil })
    }

    @Test("loggers that exist follow a change of the level, unless they have one of their own")
    func level() {
        let output = LogOutput(identifier: "test", format: .text, level: .info)
        let logger = output.logger()
        var own = logger
        own.logLevel = .error
        #expect(logger.logLevel == .info)
        output.change(format: .json, level: .debug)
        #expect(logger.logLevel == .debug && own.logLevel == .error)
    }
}
