// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import CloudletCore
package import CloudletSystem
import Glibc
import UnixSignals

/// Runs a command of a program. A failure is printed as one line and sets the exit status of the error table. Signals
/// that end programs (from a person, a terminal or the system) cancel the command, so that it can clean up.
package enum CommandRunner {
    /// How often the command was asked to stop. After the first request, some commands still keep their results; the
    /// second request makes them discard these.
    package static let interruptions = Interruptions()

    /// Parses the process's arguments, runs the command and ends the process.
    /// - Parameters:
    ///   - root: the command tree.
    ///   - handlesSignals: whether signals cancel the command; `false` for a command that handles them itself.
    package static func run<Root: AsyncParsableCommand & SendableMetatype>(
        _ root: Root.Type, handlesSignals: Bool = true
    ) async -> Never {
        InheritedState.reset()
        exit(await status(of: root, handlesSignals: handlesSignals))
    }

    /// Parses arguments, runs the command, and prints its failure or the requested help.
    /// - Parameters:
    ///   - root: the command tree.
    ///   - arguments: the arguments; `nil` takes the process's.
    ///   - handlesSignals: whether signals cancel the command; `false` for a command that handles them itself.
    /// - Returns: the status with which the process should end.
    package static func status<Root: AsyncParsableCommand & SendableMetatype>(
        of root: Root.Type, arguments: [String]? = nil, handlesSignals: Bool
    ) async -> Int32 {
        do {
            try DescriptorLimit.requireLeast()
            if handlesSignals {
                try await runUntilSignal(root, arguments)
            } else {
                try await run(root.parseAsRoot(arguments))
            }
            try Console.requireWritten()
            return 0
        } catch let failed as LaunchedProgramFailed {
            return failed.status
        } catch let error as CloudletError {
            return report(error)
        } catch {
            return report(error, of: root)
        }
    }

    private static func report(_ error: CloudletError) -> Int32 {
        ProgressLine.clear()
        Console.failure(error)
        return error.code.exitStatus
    }

    /// Prints what the parser or a library threw: the requested help, which is a result, or an error.
    private static func report<Root: ParsableCommand>(_ error: any Error, of root: Root.Type) -> Int32 {
        let code = root.exitCode(for: error)
        if code == .failure, !(error is ExitCode) {
            // The error is neither from the parser nor a `CloudletError`.
            _ = report(CloudletError(.defect, "unexpected failure", cause: error))
            return code.rawValue
        }
        let text = root.fullMessage(for: error)
        guard code == .success else {
            if !text.isEmpty { Console.note(text) }
            return code.rawValue
        }
        if !text.isEmpty { Console.result(text) }
        do throws(CloudletError) { try Console.requireWritten() } catch { return report(error) }
        return code.rawValue
    }

    /// The signals that end a command: those of Ctrl-C, `kill`, Ctrl-\ and a closed terminal; the last two are left out
    /// if the command was started with them ignored.
    private static var ending: [UnixSignal] {
        [.sigint, .sigterm] + [.sighup, .sigquit].filter { !InheritedState.ignores($0.rawValue) }
    }

    private static func run(_ command: sending any ParsableCommand) async throws {
        var command = command
        if var asynchronous = command as? any AsyncParsableCommand {
            try await asynchronous.run()
        } else {
            try command.run()
        }
    }

    /// Runs the command, and cancels it when a signal arrives. What it then returns or throws decides how the program
    /// ends.
    private static func runUntilSignal<Root: AsyncParsableCommand & SendableMetatype>(
        _ root: Root.Type, _ arguments: [String]?
    ) async throws {
        // The arguments are parsed while signals are being trapped: each takes about a millisecond.
        let areTrapped = AsyncEvent()
        let work = Task {
            let command = try root.parseAsRoot(arguments)
            await areTrapped.wait()
            try await run(command)
        }
        let signals = await UnixSignalsSequence(trapping: ending)
        areTrapped.set()
        let watch = Task {
            for await _ in signals {
                interruptions.add()
                work.cancel()
            }
        }
        defer { watch.cancel() }
        try await work.value
    }
}
