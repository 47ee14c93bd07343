import CloudletCore
import CloudletSystem
import Glibc
public import Logging
import Synchronization

/// Where the node's log lines go, in which form, and from which level on. Form and level may change while the node runs.
public final class LogOutput: Sendable {
    private struct State {
        var form: LogForm
        var level: Logger.Level
    }

    private let state: Mutex<State>
    /// What names the program in JSON lines and in the journal.
    let identifier: String

    /// Output of the program named `identifier` on standard error or in the journal.
    public init(identifier: String, format: LogFormat = .auto, level: Logger.Level = .info) {
        self.identifier = identifier
        state = Mutex(State(form: LogForm(format), level: level))
    }

    /// The level from which on lines are written.
    public var level: Logger.Level { state.withLock(\.level) }

    /// Changes form and level; loggers that exist follow.
    public func change(format: LogFormat, level: Logger.Level) {
        let form = LogForm(format)
        state.withLock { $0 = State(form: form, level: level) }
    }

    /// A logger that writes here.
    public func logger() -> Logger { Logger(label: identifier) { _ in NodeLogHandler(output: self) } }

    func write(_ line: LogLine) {
        switch state.withLock(\.form) {
        case .text: Self.print(line.text)
        case .json: Self.print(line.json(identifier))
        case .journald:
            // A journal that went away must not swallow what is said.
            if !Journal.send(line.journalFields(identifier)) { Self.print("<\(line.priority)>" + line.text) }
        }
    }

    /// One line in one piece, so that lines of several threads and processes don't mix.
    private static func print(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}

/// The forms that can be configured.
public enum LogFormat: String, Sendable, CaseIterable {
    /// `journald` where standard error is the journal, `text` on a terminal, else `json`.
    case auto
    /// For people.
    case text
    /// An object a line.
    case json
    /// The journal's native protocol.
    case journald
}

/// The forms there are.
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

/// Hands log events to the output. A level set on a logger itself wins over the output's.
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
