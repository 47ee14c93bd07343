// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

/// Why a program of another package could not be started.
@Suite struct InstalledProgramTests {
    private struct Refused: Error, CustomStringConvertible { let description = "the system's reason" }

    private func error(_ program: String) -> CloudletError {
        InstalledProgram.cannotRun(program, package: "its-package", cause: Refused())
    }

    @Test("a program that is missing is to be installed")
    func missing() throws {
        let scratch = try ScratchDirectory()
        for program in ["no-such-program-anywhere", scratch.file("none").string, scratch.path.string] {
            let error = error(program)
            #expect(error.code == .unavailable && !InstalledProgram.exists(program))
            #expect(error.description.contains("\(program): it is not installed"), "\(error)")
            #expect(error.advice == "install the package its-package")
        }
    }

    @Test("a program whose permissions don't allow it is not to be installed, but to be looked at")
    func permissions() throws {
        let scratch = try ScratchDirectory()
        // Root may execute a file only if someone may.
        _ = try scratch.write("a program", Array("#!/bin/sh\n".utf8))
        let file = scratch.file("a program").string
        let error = error(file)
        #expect(error.code == .permission && InstalledProgram.exists(file))
        #expect(error.description.contains("this user may not execute \(file)"), "\(error)")
        #expect(error.advice?.contains("ls -l '\(file)'") == true, "\(error)")
    }

    @Test("a program that the system refuses although its permissions allow it is reported with the system's reason")
    func refused() {
        let error = error("sh")
        #expect(error.description.contains("/bin/sh") && error.description.contains("the system's reason"), "\(error)")
        #expect(error.advice?.contains("AppArmor") == true && InstalledProgram.exists("sh"))
    }
}
