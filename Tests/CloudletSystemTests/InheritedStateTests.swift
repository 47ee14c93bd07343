// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

@Suite struct InheritedStateTests {
    @Test("no file is given the number of a standard descriptor that was closed, and results can't be lost unseen")
    func closedDescriptors() async {
        await #expect(processExitsWith: .success) {
            for descriptor in STDIN_FILENO...STDERR_FILENO { close(descriptor) }
            InheritedState.reset()
            let file = try File("/proc/self/status", .read)
            #expect(file.descriptor > STDERR_FILENO)
            let results = unsafe [write(STDOUT_FILENO, "x", 1), write(STDERR_FILENO, "x", 1)]
            #expect(results == [-1, 1])
        }
    }

    @Test("children can be waited for, and writing to a pipe that nobody reads is an error, whatever was inherited")
    func signals() async {
        await #expect(processExitsWith: .success) {
            signal(SIGCHLD, SIG_IGN)
            signal(SIGPIPE, SIG_DFL)
            #expect(InheritedState.ignores(SIGCHLD))
            InheritedState.reset()
            #expect(!InheritedState.ignores(SIGCHLD) && InheritedState.ignores(SIGPIPE))
        }
    }
}
