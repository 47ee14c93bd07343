package import ArgumentParser
import CloudletCore
package import CloudletSystem
import Glibc
import UnixSignals

/// Runs a program's command tree: failures become one line and the exit status of the table; the signals by which a
/// person, a terminal or a system ends programs cancel the command and let it clean up.
package enum CommandRunner {
    /// How often the command was asked to stop: more than once gives up what it would else not let go of.
    package static let interruptions = Interruptions()

    /// Parses the process's arguments, runs the command and ends the process.
    /// - Parameters:
    ///   - root: the command tree.
    ///   - handlesSignals: whether signals cancel the command; `false` for one that handles them itself.
    package static func run<Root: AsyncParsableCommand & SendableMetatype>(
        _ root: Root.Type, handlesSignals: Bool = true
    ) async -> Never {
        InheritedState.reset()
        do throws(CloudletError) { try DescriptorLimit.requireLeast() } catch {
            Console.failure(error)
            exit(error.code.exitStatus)
        }
        do {
            try await (handlesSignals ? untilSignal : directly) {
                var command = try root.parseAsRoot()
                if var asynchronous = command as? any AsyncParsableCommand {
                    try await asynchronous.run()
                } else {
                    try command.run()
                }
            }
            try Console.requireWritten()
            exit(0)
        } catch let failed as LaunchedProgramFailed {
            exit(failed.status)
        } catch let error as CloudletError {
            ProgressLine.clear()
            Console.failure(error)
            exit(error.code.exitStatus)
        } catch {
            end(root, with: error)
        }
    }

    /// Ends the process after what the parser or a library threw: help that was asked for, which is a result, or a mistake.
    private static func end<Root: ParsableCommand>(_ root: Root.Type, with error: any Error) -> Never {
        let code = root.exitCode(for: error)
        if code == .failure, !(error is ExitCode) {
            // Neither the parser's nor one of ours.
            Console.failure(CloudletError(.defect, "unexpected failure", cause: error))
            exit(code.rawValue)
        }
        guard code == .success else { root.exit(withError: error) }
        let text = root.fullMessage(for: error)
        if !text.isEmpty { Console.result(text) }
        do throws(CloudletError) { try Console.requireWritten() } catch {
            Console.failure(error)
            exit(error.code.exitStatus)
        }
        exit(0)
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
