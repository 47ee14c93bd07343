package import ArgumentParser
import CloudletCore
package import CloudletSystem
import Glibc
import UnixSignals

/// Runs a program's command tree: failures become one line and the exit status of the table; the signals by which a
/// person, a terminal or a system ends programs cancel the command and let it clean up.
package enum CommandRunner {
    /// How often the command was asked to stop. A second request gives up what the first one only breaks off.
    package static let interruptions = Interruptions()

    /// Parses the process's arguments, runs the command and ends the process.
    /// - Parameters:
    ///   - root: the command tree.
    ///   - handlesSignals: whether signals cancel the command; `false` for one that handles them itself.
    package static func run<Root: AsyncParsableCommand & SendableMetatype>(
        _ root: Root.Type, handlesSignals: Bool = true
    ) async -> Never {
        InheritedState.reset()
        exit(await status(of: root, handlesSignals: handlesSignals))
    }

    /// Parses arguments, runs the command, and prints its failure or the help that was asked for.
    /// - Parameters:
    ///   - root: the command tree.
    ///   - arguments: the arguments; `nil` takes the process's.
    ///   - handlesSignals: whether signals cancel the command.
    /// - Returns: the status with which the process should end.
    package static func status<Root: AsyncParsableCommand & SendableMetatype>(
        of root: Root.Type, arguments: [String]? = nil, handlesSignals: Bool
    ) async -> Int32 {
        do {
            try DescriptorLimit.requireLeast()
            try await (handlesSignals ? untilSignal : directly) {
                var command = try root.parseAsRoot(arguments)
                if var asynchronous = command as? any AsyncParsableCommand {
                    try await asynchronous.run()
                } else {
                    try command.run()
                }
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

    /// Prints what the parser or a library threw: help that was asked for, which is a result, or a mistake.
    private static func report<Root: ParsableCommand>(_ error: any Error, of root: Root.Type) -> Int32 {
        let code = root.exitCode(for: error)
        if code == .failure, !(error is ExitCode) {
            // Neither the parser's nor one of ours.
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

    /// The signals that end a command: Ctrl-C, `kill`, and, unless it was started to survive them, Ctrl-\ and a terminal
    /// that went away.
    private static var ending: [UnixSignal] {
        [.sigint, .sigterm] + [.sighup, .sigquit].filter { !InheritedState.ignores($0.rawValue) }
    }

    private static func directly(_ body: @escaping @Sendable () async throws -> Void) async throws { try await body() }

    /// Runs `body`; signals cancel it. What it then returns or throws decides how the program ends.
    private static func untilSignal(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let signals = await UnixSignalsSequence(trapping: ending)
        let work = Task { try await body() }
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
