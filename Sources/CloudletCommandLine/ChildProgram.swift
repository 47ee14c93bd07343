// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Subprocess
import SystemPackage

/// Runs a program that the user names, with this process's standard input and output.
package enum ChildProgram {
    /// Runs a program and waits until it ends.
    /// - Parameters:
    ///   - command: the program, by path or name, and its arguments.
    ///   - environment: variables to set in addition to this process's own.
    /// - Returns: the program's exit status, or 128 plus the signal's number if a signal ended it.
    /// - Throws: `CloudletError` when the program can't be started. When the task is cancelled, the program gets
    ///   SIGTERM.
    package static func run(_ command: [String], adding environment: [String: String]) async throws(CloudletError)
        -> Int32
    {
        let executable: Executable = command[0].contains("/") ? .path(FilePath(command[0])) : .name(command[0])
        var variables: [Environment.Key: String?] = [:]
        for (key, value) in environment {
            if let key = Environment.Key(rawValue: key) { variables[key] = value }
        }
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(5))]
        do {
            let result = try await Subprocess.run(
                executable, arguments: Arguments(Array(command.dropFirst())),
                environment: .inherit.updating(variables), platformOptions: options, input: .none,
                output: .fileDescriptor(.standardOutput, closeAfterSpawningProcess: false),
                error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false))
            switch result.terminationStatus {
            case .exited(let status): return status
            case .signaled(let signal): return 128 + signal
            }
        } catch is CancellationError {
            throw CloudletError(.interrupted, "interrupted")
        } catch {
            throw CloudletError(.notFound, "can't run \(command[0])", cause: error)
        }
    }
}

/// Thrown when a program that was started for the user failed. Its exit status becomes this process's.
package struct LaunchedProgramFailed: Error {
    package let status: Int32

    package init(status: Int32) { self.status = status }
}
