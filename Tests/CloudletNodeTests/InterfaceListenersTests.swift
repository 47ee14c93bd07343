// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import CloudletNode

/// Which endpoints have an open listener while addresses come and go.
@Suite(.timeLimit(.minutes(1))) struct InterfaceListenersTests {
    private typealias Endpoint = InterfaceListeners.Endpoint

    /// A listener that is open at once, and whose closing takes until the test allows it.
    private struct SlowListener: Service {
        let isBound: @Sendable () -> Void
        let isClosing: AsyncEvent
        let mayClose: AsyncEvent

        func run() async throws {
            isBound()
            try? await gracefulShutdown()
            isClosing.set()
            await mayClose.wait()
        }
    }

    @Test("an address that leaves and returns before its listener is closed stays in the list")
    func quickReturn() async throws {
        let endpoint = Endpoint(host: "127.0.0.2", port: 1)
        let (isClosing, mayClose) = (AsyncEvent(), AsyncEvent())
        let opened = Mutex(0)
        let (wanted, change) = AsyncStream.makeStream(of: Set<Endpoint>.self)
        let listeners = InterfaceListeners("test", logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
            _, isBound in
            let isFirst = opened.withLock { opened in
                opened += 1
                return opened == 1
            }
            return isFirst
                ? SlowListener(isBound: isBound, isClosing: isClosing, mayClose: mayClose)
                : SlowListener(isBound: isBound, isClosing: AsyncEvent(), mayClose: mayClose)
        }
        await withDiscardingTaskGroup { group in
            group.addTask { await listeners.run(wanted) }
            change.yield([endpoint])
            _ = await listeners.bound.values().first { $0 == [endpoint] }
            change.yield([])
            await isClosing.wait()
            #expect(listeners.bound.value.isEmpty)
            change.yield([endpoint])
            _ = await listeners.bound.values().first { $0 == [endpoint] }
            mayClose.set()
            // Nothing reports that the first listener is closed.
            try? await Task.sleep(for: .milliseconds(200))
            #expect(listeners.bound.value == [endpoint])
            change.yield([])
            _ = await listeners.bound.values().first { $0.isEmpty }
            change.finish()
        }
        #expect(opened.withLock { $0 } == 2)
    }
}
