// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Foundation
import Logging

/// A log entry and its text forms.
struct LogLine {
    let time = Date()
    let level: Logger.Level
    let message: String
    let fields: [String: String]
    let source: String

    private var timestamp: String {
        time.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
    }

    /// `TIME LEVEL message key=value …`. Values with spaces are quoted, and characters that could end the line or
    /// control a terminal are replaced.
    var text: String {
        var text = "\(timestamp) \(level.rawValue.padding(toLength: 7, withPad: " ", startingAt: 0)) "
        text += message.displayable(limit: Self.limit)
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            let value = value.displayable(limit: Self.limit)
            let isPlain = !value.isEmpty && !value.contains { $0 == " " || $0 == "\"" || $0 == "=" }
            text += " \(key)=" + (isPlain ? value : "\"\(value.replacing("\"", with: "\\\""))\"")
        }
        return text
    }

    /// One JSON object: `time`, `level`, `message`, `program`, `source`, and the fields unchanged, except that control
    /// characters are escaped.
    func json(_ program: String) -> String {
        var object = fields
        object["time"] = timestamp
        object["level"] = level.rawValue
        object["message"] = message
        object["program"] = program
        object["source"] = source
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(object)).map { String(decoding: $0, as: UTF8.self).displayableJSON } ?? "{}"
    }

    /// The fields of the journal's protocol (systemd.journal-fields(7)); our own begin with `CLOUDLET_`.
    func journalFields(_ program: String) -> [(name: String, value: String)] {
        var result = [
            (name: "MESSAGE", value: message.displayable(limit: Self.limit) + plainFields),
            (name: "PRIORITY", value: String(priority)),
            (name: "SYSLOG_IDENTIFIER", value: program),
        ]
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            let name = key.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : Character("_") }
            result.append((name: "CLOUDLET_" + String(name.prefix(50)), value: value.displayable(limit: Self.limit)))
        }
        return result
    }

    /// The message with the fields, because journalctl shows only the message.
    private var plainFields: String {
        fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value.displayable(limit: 400))" }.joined()
    }

    /// The level as a syslog number (RFC 5424 §6.2.1).
    var priority: Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    private static let limit = 4000
}
