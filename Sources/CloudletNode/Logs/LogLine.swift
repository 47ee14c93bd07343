import CloudletCore
import Foundation
import Logging

/// One thing that was said, and the ways to write it.
struct LogLine {
    let time = Date()
    let level: Logger.Level
    let message: String
    let fields: [String: String]
    let source: String

    private var timestamp: String {
        time.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
    }

    /// `TIME LEVEL message key=value …`; values with blanks are quoted, and nothing in them can end the line or steer a
    /// terminal.
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

    /// One JSON object; the fields of the line come as they are, what a terminal would act upon escaped, beside `time`, `level`, `message`, `program`, `source`.
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

    /// The fields of the journal (systemd.journal-fields(7)); our own begin with `CLOUDLET_`.
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

    /// journalctl shows the message alone, so the fields are in it as well.
    private var plainFields: String {
        fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value.displayable(limit: 400))" }.joined()
    }

    /// The level in syslog's numbers (RFC 5424 §6.2.1).
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
