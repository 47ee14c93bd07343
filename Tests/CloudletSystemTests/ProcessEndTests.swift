// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import CloudletSystem

/// What the kernel tells of processes that have ended.
@Suite struct ProcessEndTests {
    @Test("a status of waitpid is read as an exit or a signal, whether or not memory was dumped")
    func statuses() {
        #expect(ProcessEnd(status: 0) == .exited(0) && ProcessEnd(status: 0x2100) == .exited(0x21))
        #expect(ProcessEnd(status: 9) == .signalled(SIGKILL) && ProcessEnd(status: 0x8B) == .signalled(SIGSEGV))
        #expect(
            "\(ProcessEnd.signalled(SIGBUS)), \(ProcessEnd.signalled(40)), \(ProcessEnd.exited(1))"
                == "SIGBUS, signal 40, status 1")
    }

    @Test("the kernel's count of processes that it ended for want of memory is read")
    func memory() {
        #expect(OutOfMemoryKills.count(in: "nr_free_pages 12\noom_kill 7\ndrop_pagecache 0\n") == 7)
        #expect(OutOfMemoryKills.count(in: "nr_free_pages 12\n") == nil)
    }
}
