// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Glibc
import Subprocess
package import SystemPackage

/// A program that runs in parallel to a test and writes its output to a file.
package struct BackgroundProgram: Sendable {
    /// Its process number.
    package let pid: Int32
    /// The file with its standard output and standard error.
    package let log: FilePath

    /// A running program.
    package init(pid: Int32, log: FilePath) {
        self.pid = pid
        self.log = log
    }

    /// Sends a signal.
    package func send(_ signal: Int32) { kill(pid, signal) }

    /// Whether it still runs. A program that has ended does not, even if its exit status has not been read yet.
    package var isRunning: Bool {
        guard let bytes = try? File(FilePath("/proc/\(pid)/stat"), .read).read(4096, at: 0) else { return false }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.split(separator: ")").last?.split(separator: " ").first != "Z"
    }

    /// The output so far.
    package var output: String {
        guard let file = try? File(log, .read), let size = try? file.size(), let bytes = try? file.read(size, at: 0)
        else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Waits until the program has printed a text, as ``until(_:_:_:)`` does. Fails at once when it ends without it.
    package func waitFor(_ text: String, seconds: Double = 20) async throws {
        try await until(seconds, "'\(text)' was not printed; see \(log)") {
            let isRunning = isRunning
            if output.contains(text) { return true }
            if !isRunning { throw LabFailure(description: "it ended without '\(text)'; printed was: \(output)") }
            return false
        }
    }
}

extension Tool {
    /// Runs a program while `body` runs. Afterwards it gets SIGTERM, and a minute later SIGKILL if it still runs.
    /// - Returns: what `body` returned, and the program's exit status, or 128 plus the number of the signal that ended
    ///   it.
    package static func with<Value: Sendable>(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], log: FilePath,
        _ body: @escaping @Sendable (BackgroundProgram) async throws -> Value
    ) async throws -> (value: Value, status: Int32) {
        var variables: [Environment.Key: String?] = [:]
        for (key, value) in environment {
            if let key = Environment.Key(rawValue: key) { variables[key] = value }
        }
        let file = try File(log, .create(permissions: 0o644))
        let output = FileDescriptor(rawValue: file.descriptor)
        let executable: Executable = program.contains("/") ? .path(FilePath(program)) : .name(program)
        var options = PlatformOptions()
        options.createSession = true
        let result = try await Subprocess.run(
            executable, arguments: Arguments(arguments), environment: .inherit.updating(variables),
            platformOptions: options, input: .none,
            output: .fileDescriptor(output, closeAfterSpawningProcess: false),
            error: .fileDescriptor(output, closeAfterSpawningProcess: false)
        ) { execution in
            let pid = execution.processIdentifier.value
            let value: Swift.Result<Value, any Error>
            do { value = .success(try await body(BackgroundProgram(pid: pid, log: log))) } catch {
                value = .failure(error)
            }
            kill(pid, SIGTERM)
            // A deadline: cancelled when the program ends before it.
            let watchdog = Task {
                try await Task.sleep(for: .seconds(60))
                kill(pid, SIGKILL)
            }
            return (value, watchdog)
        }
        result.closureResult.1.cancel()
        let status: Int32 =
            switch result.terminationStatus {
            case .exited(let status): status
            case .signaled(let signal): 128 + signal
            }
        // The file must stay open until here: the program writes to it.
        withExtendedLifetime(file) {}
        return (try result.closureResult.0.get(), status)
    }
}
