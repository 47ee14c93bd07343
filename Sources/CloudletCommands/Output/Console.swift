import CloudletCore
import Foundation
import Glibc
import Synchronization

/// What the programs print: results on standard output, everything else on standard error.
enum Console {
    /// Prints a result.
    static func result(_ text: String) {
        write(text + "\n", to: FileHandle.standardOutput)
    }

    /// Prints a remark for the person at the terminal.
    static func note(_ text: String) {
        ProgressLine.clear()
        write(text + "\n", to: FileHandle.standardError)
    }

    /// Prints a failure: one line.
    static func failure(_ error: CloudletError) {
        let line = error.description.split(whereSeparator: \.isNewline).joined(separator: " ")
        note("error: \(line.displayable(limit: 8000))")
    }

    /// Prints a value as JSON with sorted keys.
    static func json(_ value: some Encodable) throws(CloudletError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        do { result(harmless(String(decoding: try encoder.encode(value), as: UTF8.self))) } catch {
            throw CloudletError(.defect, "can't encode the result as JSON", cause: error)
        }
    }

    /// JSON with everything escaped that a terminal would act upon, or that turns text around; the encoder itself escapes
    /// only the lowest control characters. Outside of strings there is none of it.
    static func harmless(_ json: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in json.unicodeScalars {
            if scalar == "\n" || String(scalar).displayable(limit: 10) == String(scalar) {
                result.append(scalar)
            } else {
                for unit in String(scalar).utf16 {
                    result.append(
                        contentsOf: ("\\u" + String(Int(unit) + 0x10000, radix: 16).dropFirst()).unicodeScalars)
                }
            }
        }
        return String(result)
    }

    /// Prints a value as one line of JSON.
    static func jsonLine(_ value: some Encodable) throws(CloudletError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { result(harmless(String(decoding: try encoder.encode(value), as: UTF8.self))) } catch {
            throw CloudletError(.defect, "can't encode the result as JSON", cause: error)
        }
    }

    fileprivate static func write(_ text: String, to handle: FileHandle) {
        // A reader that went away (a pager, `head`) is no reason to fail.
        try? handle.write(contentsOf: Data(text.utf8))
    }

    /// Whether standard error is a terminal that understands control sequences.
    static var isTerminal: Bool {
        isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }
}

/// One line on the terminal that shows how far a job is; nothing where there is no terminal.
enum ProgressLine {
    private static let shown = Mutex(false)

    /// Shows a stage and, when known, how much of it is done (0 to 1).
    static func show(_ stage: String, _ part: Double? = nil) {
        guard Console.isTerminal else { return }
        var text = stage
        if let part {
            let width = 30
            let filled = Int(Double(width) * min(1, max(0, part)))
            text += " [" + String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
            text += "] \(Int(part * 100)) %"
        }
        shown.withLock { $0 = true }
        Console.write("\r\u{1B}[K" + text, to: FileHandle.standardError)
    }

    /// Removes the line.
    static func clear() {
        if shown.withLock({ shown in
            defer { shown = false }
            return shown
        }) {
            Console.write("\r\u{1B}[K", to: FileHandle.standardError)
        }
    }
}
