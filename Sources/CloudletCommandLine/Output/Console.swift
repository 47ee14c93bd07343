// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import FoundationEssentials
import Glibc
import Synchronization
import SystemPackage

/// Prints results on standard output, and everything else on standard error.
package enum Console {
    private static let writeFailure = Mutex<Int32?>(nil)

    /// Receives the output in place of the process's standard output and error, for tests of commands.
    @TaskLocal package static var transcript: Transcript?

    /// Prints a result. It may contain names of nodes, files and interfaces that others chose, so control characters
    /// are replaced. ``requireWritten()`` reports an error if the result could not be written.
    package static func result(_ text: String) {
        let line = text.displayableLines + "\n"
        if let transcript { return transcript.add(line, isResult: true) }
        guard let number = writeAll(line, to: STDOUT_FILENO) else { return }
        writeFailure.withLock { $0 = $0 ?? number }
    }

    /// Whether writing a result has failed, so that further ones can't be written.
    package static var isClosed: Bool { writeFailure.withLock { $0 != nil } }

    /// Runs `body`, which prints results when something happens. Cancels it when nobody reads them any more, for example
    /// because they go to a `head` that has ended. That is not an error.
    package static func whileRead(_ body: @escaping @Sendable () async throws -> Void) async throws {
        if transcript != nil { return try await body() }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await body()
                return false
            }
            group.addTask { try await waitUntilUnread(STDOUT_FILENO) }
            let isUnread = try await group.next() ?? false
            group.cancelAll()
            if !isUnread { try await group.waitForAll() }
        }
    }

    /// Throws an error if a result could not be written, so that a script does not take incomplete output for complete.
    /// A reader that closed the pipe (a pager, `head`) is not an error.
    package static func requireWritten() throws(CloudletError) {
        guard let number = writeFailure.withLock({ $0 }), number != EPIPE else { return }
        throw CloudletError(
            .io, "the results can't be written to standard output: \(Errno(rawValue: number).description)")
    }

    /// Prints a remark for the person at the terminal. Control characters are replaced, as in results.
    package static func note(_ text: String) {
        ProgressLine.clear()
        write(text.displayableLines + "\n")
    }

    /// Prints an error as one line.
    package static func failure(_ error: CloudletError) {
        let line = error.description.split(whereSeparator: \.isNewline).joined(separator: " ")
        note("error: \(line.displayable(limit: 8000))")
    }

    /// Prints a value as JSON with sorted keys.
    package static func json(_ value: some Encodable) throws(CloudletError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        do { result(String(decoding: try encoder.encode(value), as: UTF8.self).displayableJSON) } catch {
            throw CloudletError(.defect, "can't encode the result as JSON", cause: error)
        }
    }

    /// Prints a value as one line of JSON.
    package static func jsonLine(_ value: some Encodable) throws(CloudletError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { result(String(decoding: try encoder.encode(value), as: UTF8.self).displayableJSON) } catch {
            throw CloudletError(.defect, "can't encode the result as JSON", cause: error)
        }
    }

    /// Writes to standard error. Drops the text when the reader does not read for two seconds, because a remark must not delay a command or its end.
    fileprivate static func write(_ text: String) {
        if let transcript { return transcript.add(text, isResult: false) }
        var entry = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard unsafe poll(&entry, 1, 2000) > 0 else { return }
        _ = writeAll(text, to: STDERR_FILENO)
    }

    /// Writes all of a text. Waits if another process has made the descriptor non-blocking.
    /// - Returns: the error number if writing failed.
    private static func writeAll(_ text: String, to descriptor: Int32) -> Int32? {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&entry, 1, 1000)
            } else if errno != EINTR {
                return errno
            }
        }
        return nil
    }

    /// Whether standard error is a terminal that understands control sequences.
    package static var isTerminal: Bool {
        isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }
}

/// A line on the terminal that shows the progress of a job. Without a terminal, nothing is shown.
package enum ProgressLine {
    private static let shown = Mutex(false)

    /// Shows a stage and, if known, its progress (0 to 1).
    package static func show(_ stage: String, _ part: Double? = nil) {
        guard Console.isTerminal else { return }
        var text = stage
        if let part {
            let width = 30
            let filled = Int(Double(width) * min(1, max(0, part)))
            text += " [" + String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
            text += "] \(Int(part * 100)) %"
        }
        shown.withLock { $0 = true }
        Console.write("\r\u{1B}[K" + text.displayable())
    }

    /// Removes the line.
    package static func clear() {
        if shown.withLock({ shown in
            defer { shown = false }
            return shown
        }) {
            Console.write("\r\u{1B}[K")
        }
    }
}
