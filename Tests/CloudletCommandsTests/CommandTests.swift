// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

@testable import CloudletCommands
@testable import CloudletSynthesis

/// Tests of whole commands, run in this process with a home of their own. An environment variable names the home, so
/// these tests run one after another.
@Suite(.serialized, .timeLimit(.minutes(1))) enum CommandTests {
    /// A home for commands.
    struct Home: Sendable {
        let scratch: ScratchDirectory
        let path: FilePath

        init() throws {
            scratch = try ScratchDirectory()
            path = scratch.file("home")
        }

        /// The result of a command.
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

        /// Makes the files of a base VM that never ran, not registered.
        func makeBase(_ name: String = "guest.raw") throws -> BaseFiles {
            let files = BaseFiles(disk: scratch.file(name))
            try scratch.write(name, [UInt8](repeating: 0, count: 510) + [0x55, 0xAA]).resize(to: 1 << 20)
            try SnapshotFile.writeTail(
                VMDescription(machine: MachineDescription(memoryMiB: 16, accelerator: .tcg)), state: [1, 2, 3],
                emulator: "7.2", to: try File(files.memory, .create(permissions: 0o600)))
            return files
        }

        /// Makes an overlay of another base VM.
        /// - Returns: its directory.
        func makeOverlay(_ name: String) async throws -> FilePath {
            let pair = try await SyntheticPair(seed: 3)
            var options = OverlayOptions(name: name)
            options.forwards = [PortForward(hostPort: 2222, guestPort: 22)]
            options.readyPort = 9876
            let identity = OverlayDirectoryWriter.BaseIdentity(
                hash: try DiskFingerprint.identity(of: pair.base.disk), memoryHash: SHA256Digest(hashing: [1].span),
                diskBytes: pair.base.diskSize)
            _ = try await OverlayDirectoryWriter(
                plan: try await pair.plan(), base: identity, memoryBytes: pair.memoryBytes.count, options: options
            ).write(to: scratch.file(name)) { _ in }
            return scratch.file(name)
        }

        /// An entry for a base VM whose files need not exist.
        func base(_ name: String, content: UInt8 = 1) -> BaseVM {
            BaseVM(
                files: BaseFiles(disk: scratch.file(name)), hash: SHA256Digest(hashing: [content].span),
                memoryHash: SHA256Digest(hashing: [content, 1].span), diskBytes: 2 << 30, diskModified: 5,
                memoryBytes: 1 << 30, accelerator: "tcg", created: 1_700_000_000)
        }
    }
}
