// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import Synchronization
import Testing

@testable import CloudletAdvertising

@Suite struct BootIDTests {
    @Test("numbers grow over starts and changes, with the clock and against it")
    func grow() throws {
        let scratch = try ScratchDirectory()
        let clock = Mutex(1000)
        func ids() -> BootIDs { BootIDs(in: scratch.path) { clock.withLock { $0 } } }
        let first = ids().next()
        #expect(first == 1000)
        let changed = ids().next(after: first)
        #expect(changed == 1001)
        clock.withLock { $0 = 5 }
        #expect(ids().next() == 1002)
        clock.withLock { $0 = 2000 }
        #expect(ids().next() == 2000)
        try File(scratch.file("boot-id"), .readWrite).write(Array("nonsense".utf8), at: 0)
        #expect(ids().next() == 2000)
    }

    @Test("without a directory the clock counts")
    func withoutDirectory() {
        #expect(BootIDs(in: nil) { 77 }.next() == 77)
        #expect(BootIDs(in: nil) { 77 }.next(after: 77) == 78)
    }
}
