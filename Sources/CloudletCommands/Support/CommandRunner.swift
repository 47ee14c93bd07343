public import ArgumentParser
import CloudletCore
import Glibc
import UnixSignals

/// Runs a program's command tree: failures become one line and the exit status of the table, SIGINT and SIGTERM
/// cancel the command and let it clean up.
public enum CommandRunner {
    /// Parses the process's arguments, runs the command and ends the process.
    /// - Parameters:
    ///   - root: the command tree.
    ///   - handlesSignals: whether SIGINT and SIGTERM cancel the command; `false` for one that handles them itself.
    public static func run<Root: AsyncParsableCommand & SendableMetatype>(
        _ root: Root.Type, handlesSignals: Bool = true
    ) async -> Never {
        signal(SIGPIPE, SIG_IGN)
        // A file that grows beyond the limit of its size fails as an error does.
        signal(SIGXFSZ, SIG_IGN)
        do {
            try await (handlesSignals ? untilSignal : directly) {
                var command = try root.parseAsRoot()
                if var asynchronous = command as? any AsyncParsableCommand {
                    try await asynchronous.run()
                } else {
                    try command.run()
                }
            }
            exit(0)
        } catch let failed as LaunchedProgramFailed {
            exit(failed.status)
        } catch let error as CloudletError {
            ProgressLine.clear()
            Console.failure(error)
            exit(error.code.exitStatus)
        } catch {
            root.exit(withError: error)
        }
    }

    private static func directly(_ body: @escaping @Sendable () async throws -> Void) async throws { try await body() }

    /// Runs `body`; SIGINT and SIGTERM cancel it. What it then returns or throws decides how the program ends.
    private static func untilSignal(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let work = Task { try await body() }
        let watch = Task { for await _ in signals { work.cancel() } }
        defer { watch.cancel() }
        try await work.value
    }
}
