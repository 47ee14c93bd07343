import CloudletCommandLine
import CloudletCore
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

@testable import CloudletCommands

/// Tests of whole commands, run in this process with a home of their own. The home is named by an environment variable, so one
/// runs after the other.
@Suite(.serialized, .timeLimit(.minutes(1))) enum CommandTests {
    /// A home for commands.
    struct Home: Sendable {
        let scratch: ScratchDirectory
        let path: FilePath

        init() throws {
            scratch = try ScratchDirectory()
            path = scratch.file("home")
        }

        /// What a command left.
        struct Result: Sendable {
            let status: Int32
            /// Standard output.
            let output: String
            /// Standard error.
            let errors: String

            /// Its lines of output, with one blank in place of several.
            var rows: [String] {
                output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
            }
        }

        /// Runs a command.
        func run(_ arguments: String...) async -> Result { await run(arguments) }

        /// Runs a command.
        func run(_ arguments: [String]) async -> Result {
            _ = unsafe setenv("CLOUDLET_HOME", path.string, 1)
            let transcript = Transcript()
            let status = await Console.$transcript.withValue(transcript) {
                await CommandRunner.status(of: CloudletCommand.self, arguments: arguments, handlesSignals: false)
            }
            return Result(status: status, output: transcript.results, errors: transcript.notes)
        }

        /// Its registry.
        func registry() throws -> Registry { try Registry(try CloudletHome(path).database) }

        /// An entry for a base VM whose files need not exist.
        func base(_ name: String, content: UInt8 = 1) -> BaseVM {
            BaseVM(
                files: BaseFiles(disk: scratch.file(name)), hash: SHA256Digest(hashing: [content].span),
                memoryHash: SHA256Digest(hashing: [content, 1].span), diskBytes: 2 << 30, diskModified: 5,
                memoryBytes: 1 << 30, accelerator: "tcg", created: 1_700_000_000)
        }
    }
}
