// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNode
import CloudletSystem
import CloudletTestSupport
import Dispatch
import Glibc
import SystemPackage
import Testing

/// What libdispatch opens is open before it is wanted.
@Suite(.timeLimit(.minutes(1))) struct DispatchFilesTests {
    /// What the process's numbers of files lead to.
    private static func files(_ kind: String) throws -> Int {
        try Directory.names(in: "/proc/self/fd").count { name in
            var buffer = [CChar](repeating: 0, count: 256)
            let count = unsafe readlink("/proc/self/fd/\(name)", &buffer, 256)
            let bytes = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
            return String(decoding: bytes, as: UTF8.self).contains(kind)
        }
    }

    @Test("timers of each clock have their file, and a thread's state has one, made once")
    func kept() async {
        await #expect(processExitsWith: .success) {
            try await DispatchFiles.keep()
            try await DispatchFiles.keep()
            #expect(try Self.files("[timerfd]") == 3)
            #expect(try Self.files("thread state") == 1)
        }
    }
}
