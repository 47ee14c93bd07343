// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork
import CloudletSystem
import CloudletTestSupport
import Glibc
import Testing

@testable import CloudletConformance

/// Connections that are refused.
@Suite struct RefusedConnectionTests {
    /// Closed a second time, the number would by then be that of a file another thread has opened. In a process of its
    /// own, so that nothing else opens files.
    @Test("a refused connection is closed once: files of other threads stay open")
    func closedOnce() async {
        await #expect(processExitsWith: .success) {
            let listener = try #require(Listener())
            let target = try #require(Endpoint("127.0.0.1:\(listener.port)"))
            _ = consume listener
            #expect(Connection(to: target) == nil && RawConnection(port: target.port) == nil)
            let isOver = AsyncEvent()
            await withTaskGroup { group in
                group.addTask {
                    defer { isOver.set() }
                    for _ in 0..<100_000 {
                        _ = Connection(to: target)
                        _ = RawConnection(port: target.port)
                    }
                }
                group.addTask {
                    while !isOver.isSet {
                        let file = unsafe open("/dev/null", O_RDONLY)
                        #expect(close(file) == 0, "another thread closed it")
                    }
                }
            }
        }
    }
}
