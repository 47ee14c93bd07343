// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import FoundationEssentials
import Glibc
import SystemPackage

/// Programs of other packages that this one starts.
package enum InstalledProgram {
    /// The error for a program that could not be started: it is missing, its permissions don't allow it, or the system
    /// refuses it, as AppArmor does for confined processes.
    /// - Parameters:
    ///   - program: its path, or its name in a directory of `PATH`.
    ///   - package: Debian's package that contains the program.
    ///   - cause: why it could not be started, as far as that is known.
    /// - Returns: an error that says what to do.
    package static func cannotRun(_ program: String, package: String, cause: any Error) -> CloudletError {
        guard let file = files(program).first else {
            return CloudletError(
                .unavailable, "can't run \(program): it is not installed", advice: "install the package \(package)")
        }
        guard isExecutable(file) else {
            return CloudletError(
                .permission, "can't run \(program): this user may not execute \(file)",
                advice: "check its permissions: \(Shell.command("ls", "-l", file.string))")
        }
        return CloudletError(
            .unavailable, "can't run \(file)",
            advice: "if AppArmor denies it, the kernel's log shows that: journalctl --dmesg --grep apparmor",
            cause: cause)
    }

    /// Whether there is such a program, even if this process may not execute it.
    package static func exists(_ program: String) -> Bool { !files(program).isEmpty }

    /// Whether this process may execute such a program.
    package static func canRun(_ program: String) -> Bool { files(program).contains(where: isExecutable) }

    private static func isExecutable(_ file: FilePath) -> Bool {
        unsafe file.withPlatformString { unsafe access($0, X_OK) } == 0
    }

    /// The files that this path or name means, whether they can be executed or not.
    private static func files(_ program: String) -> [FilePath] {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let files =
            program.contains("/")
            ? [FilePath(program)] : path.split(separator: ":").map { FilePath("\($0)/\(program)") }
        return files.filter { (try? FileStatus.of($0))??.isDirectory == false }
    }
}
