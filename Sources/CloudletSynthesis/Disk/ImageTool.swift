// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Subprocess

/// Runs `qemu-img`.
enum ImageTool {
    static func run(_ arguments: [String], outputLimit: Int = 1 << 20) async throws(CloudletError) -> String {
        let result: ExecutionResult<Void, StringOutput<UTF8>, StringOutput<UTF8>>
        do {
            result = try await Subprocess.run(
                .name("qemu-img"), arguments: Arguments(arguments), input: .none,
                output: .string(limit: outputLimit), error: .string(limit: 64 << 10))
        } catch {
            throw InstalledProgram.cannotRun("qemu-img", package: "qemu-utils", cause: error)
        }
        guard result.terminationStatus.isSuccess else {
            let reason = result.standardError.split(whereSeparator: \.isNewline).last.map(String.init) ?? ""
            throw CloudletError(.io, "qemu-img \(arguments[0]) failed: \(reason.displayable())")
        }
        return result.standardOutput
    }
}
