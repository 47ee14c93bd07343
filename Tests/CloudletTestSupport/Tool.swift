// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Subprocess
package import SystemPackage

/// Runs other programs in tests: readers by other people, image tools, peers.
package enum Tool {
    /// The result of a program.
    package struct Result: Sendable {
        /// Exit status, or 128 plus the number of the signal that ended it.
        package let status: Int32
        /// Standard output.
        package let output: String
        /// Standard error.
        package let errors: String
    }

    /// Runs a program and waits until it ends.
    package static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], input: String = "",
        directory: FilePath? = nil
    ) async throws -> Result {
        var variables: [Environment.Key: String?] = [:]
        for (key, value) in environment {
            if let key = Environment.Key(rawValue: key) { variables[key] = value }
        }
        let executable: Executable = program.contains("/") ? .path(FilePath(program)) : .name(program)
        let result = try await Subprocess.run(
            executable, arguments: Arguments(arguments), environment: .inherit.updating(variables),
            workingDirectory: directory, input: .string(input), output: .string(limit: 16 << 20),
            error: .string(limit: 1 << 20))
        let status: Int32 =
            switch result.terminationStatus {
            case .exited(let status): status
            case .signaled(let signal): 128 + signal
            }
        return Result(status: status, output: result.standardOutput, errors: result.standardError)
    }
}
