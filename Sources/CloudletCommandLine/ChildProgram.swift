package import CloudletCore
import CloudletSystem
import FoundationEssentials
import Glibc
import Subprocess
import SystemPackage

/// Runs a program of the user's with our own input and output.
package enum ChildProgram {
    /// Whether there is such a program, by path or name.
    package static func isInstalled(_ program: String) -> Bool {
        if program.contains("/") { return unsafe access(program, X_OK) == 0 && !FilePath(program).isDirectory }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return path.split(separator: ":").contains { isInstalled("\($0)/\(program)") }
    }

    /// Runs it to its end.
    /// - Parameters:
    ///   - command: the program, by path or name, and its arguments.
    ///   - environment: variables beside our own.
    /// - Returns: its exit status; 128 plus the signal's number when a signal ended it.
    /// - Throws: `CloudletError` when it can't be started. When the task is cancelled the program gets SIGTERM.
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

extension FilePath {
    fileprivate var isDirectory: Bool { (try? FileStatus.of(self))??.isDirectory == true }
}

/// A program that was started for the user failed; its status becomes ours.
package struct LaunchedProgramFailed: Error {
    package let status: Int32

    package init(status: Int32) { self.status = status }
}
