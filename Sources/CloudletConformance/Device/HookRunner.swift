// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Subprocess

/// Runs the commands that the user gave as hooks.
struct HookRunner: Sendable {
    let commands: [Hook: String]

    /// Whether all of these hooks were given.
    func has(_ hooks: Hook...) -> Bool { hooks.allSatisfy { commands[$0] != nil } }

    /// Runs a hook.
    /// - Returns: the output of the command.
    /// - Throws: `CloudletError.unavailable` when the hook was not given or failed.
    @discardableResult func run(_ hook: Hook, name: String = "") async throws(CloudletError) -> String {
        guard let command = commands[hook] else {
            throw CloudletError(.unavailable, "no command was given for the hook '\(hook.rawValue)'")
        }
        return try await Self.shell(command, name: name)
    }

    /// Runs a shell command for at most a minute.
    static func shell(_ command: String, name: String = "") async throws(CloudletError) -> String {
        do {
            let result = try await Subprocess.run(
                .name("timeout"), arguments: ["60", "sh", "-c", command],
                environment: .inherit.updating(["NAME": name]), output: .string(limit: 4 << 20),
                error: .string(limit: 1 << 20))
            guard result.terminationStatus.isSuccess else {
                let said = result.standardError.displayable()
                throw CloudletError(.unavailable, "'\(command)' failed: \(said)")
            }
            return result.standardOutput
        } catch let error as CloudletError {
            throw error
        } catch {
            throw CloudletError(.unavailable, "'\(command)' can't be run: \(error)")
        }
    }
}
