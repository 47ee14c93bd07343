// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Glibc
package import Logging
import Synchronization

/// Writes the node's log lines, in a chosen format, from a chosen level on. Both may change while the node runs.
package final class LogOutput: Sendable {
    private struct State {
        var form: LogForm
        var level: Logger.Level
        var repeated = RepeatedLines()
    }

    private let state: Mutex<State>
    private let writer: LogWriter
    /// The name of the program in JSON lines and in the journal.
    let identifier: String

    /// Creates an output on standard error or in the journal for the program named `identifier`.
    package convenience init(identifier: String, format: LogFormat = .auto, level: Logger.Level = .info) {
        self.init(identifier: identifier, format: format, level: level, writer: .standardError)
    }

    init(identifier: String, format: LogFormat, level: Logger.Level, writer: LogWriter) {
        self.identifier = identifier
        self.writer = writer
        state = Mutex(State(form: LogForm(format), level: level))
    }

    /// The lowest level that is written.
    package var level: Logger.Level { state.withLock(\.level) }

    /// Changes format and level, also for existing loggers.
    package func change(format: LogFormat, level: Logger.Level) {
        let form = LogForm(format)
        state.withLock { ($0.form, $0.level) = (form, level) }
    }

    /// Creates a logger that writes here.
    package func logger() -> Logger { Logger(label: identifier) { _ in NodeLogHandler(output: self) } }

    /// Writes a line, unless too many similar ones were written recently.
    func write(_ line: LogLine) {
        if state.withLock({ $0.repeated.admits(line) }) { put(line) }
    }

    /// Logs how many lines were not written because there were too many similar ones.
    /// - Parameter all: whether to include lines that have been counted for less than a minute.
    func reportRepeated(all: Bool = false) {
        for (key, lines) in state.withLock({ $0.repeated.due(all: all) }) {
            var fields = ["line": key.message, "count": String(lines)]
            fields["client"] = key.client
            put(LogLine(level: key.level, message: "lines were not written", fields: fields, source: identifier))
        }
    }

    /// Waits briefly until all lines are written. Called last before the process ends.
    package func flush() async {
        reportRepeated(all: true)
        await writer.flush()
    }

    private func put(_ line: LogLine) {
        let form = state.withLock(\.form)
        // If the journal no longer accepts lines, they go to standard error instead.
        if form == .journald, Journal.send(line.journalFields(identifier)) { return }
        writer.write(shown(line, form)) { lost in
            let loss = LogLine(
                level: .warning, message: "lines are missing: the reader of the log was too slow",
                fields: ["count": String(lost)],
                source: identifier)
            return shown(loss, form)
        }
    }

    private func shown(_ line: LogLine, _ form: LogForm) -> String {
        switch form {
        case .text: line.text
        case .json: line.json(identifier)
        case .journald: "<\(line.priority)>" + line.text
        }
    }
}

/// The formats that can be configured.
package enum LogFormat: String, Sendable, CaseIterable {
    /// `journald` if standard error is connected to the journal, `text` on a terminal, otherwise `json`.
    case auto
    /// Lines for people.
    case text
    /// One JSON object per line.
    case json
    /// The journal's native protocol.
    case journald
}

/// The format that is used.
private enum LogForm {
    case text
    case json
    case journald

    init(_ format: LogFormat) {
        switch format {
        case .text: self = .text
        case .json: self = .json
        case .journald: self = .journald
        case .auto: self = Journal.isStandardError ? .journald : isatty(STDERR_FILENO) == 1 ? .text : .json
        }
    }
}

/// Passes log events to the output. A level set on a logger overrides the output's level.
private struct NodeLogHandler: LogHandler {
    let output: LogOutput
    var metadata: Logger.Metadata = [:]
    private var own: Logger.Level?

    init(output: LogOutput) { self.output = output }

    var logLevel: Logger.Level {
        get { own ?? output.level }
        set { own = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = metadata.merging(event.metadata ?? [:]) { $1 }
        if let error = event.error { fields["error"] = "\(error)" }
        output.write(
            LogLine(
                level: event.level, message: event.message.description, fields: fields.mapValues(\.description),
                source: event.source))
    }
}
