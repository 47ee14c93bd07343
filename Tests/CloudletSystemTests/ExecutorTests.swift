// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import Synchronization
import Testing

@testable import CloudletSystem

@Suite struct ExecutorTests {
    /// Counts how many jobs run at once.
    private final class Load: Sendable {
        let state = Mutex((running: 0, most: 0, order: [Int]()))
        func enter(_ number: Int = 0) {
            state.withLock {
                $0.order.append(number)
                $0.running += 1
                $0.most = max($0.most, $0.running)
            }
        }
        func leave() { state.withLock { $0.running -= 1 } }
    }

    @Test("a pool runs its tasks, never more at once than it has threads")
    func poolWidth() async {
        let pool = WorkerPool(width: 2, label: "test")
        let load = Load()
        await withTaskGroup { group in
            for _ in 0..<20 {
                group.addTask(executorPreference: pool) {
                    load.enter()
                    var sum = 0
                    for value in 0..<20_000 { sum &+= value }
                    #expect(sum > 0)
                    load.leave()
                }
            }
        }
        #expect(load.state.withLock { $0.most } <= 2 && load.state.withLock { $0.running } == 0)
    }

    private actor Counter {
        let executor = QueueExecutor(label: "test-counter")
        nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
        var value = 0
        func increment() { value += 1 }
    }

    @Test("an actor on its own queue stays an actor")
    func queueExecutor() async {
        let counter = Counter()
        await withTaskGroup { group in
            for _ in 0..<100 { group.addTask { await counter.increment() } }
        }
        #expect(await counter.value == 100)
    }

    @Test("a semaphore admits so many at once, the others wait in a queue, and a task that is cancelled leaves it")
    func semaphore() async throws {
        let slots = AsyncSemaphore(2)
        let load = Load()
        try await slots.acquire()
        try await slots.acquire()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<6 {
                group.addTask {
                    try await slots.acquire()
                    load.enter(number)
                    try await until(5, "two tasks don't run at the same time") { load.state.withLock { $0.most >= 2 } }
                    // Others would enter meanwhile if the semaphore let them.
                    for _ in 0..<20 { await Task.yield() }
                    load.leave()
                    slots.release()
                }
                try await until(5, "task \(number) does not wait") { slots.waiting == number + 1 }
            }
            let cancelled = Task { try await slots.acquire() }
            try await until(5, "the last task does not wait") { slots.waiting == 7 }
            cancelled.cancel()
            await #expect(throws: (any Error).self) { try await cancelled.value }
            #expect(slots.waiting == 6 && load.state.withLock { $0.order.isEmpty })
            slots.release()
            slots.release()
            try await group.waitForAll()
        }
        #expect(load.state.withLock { $0.order } == Array(0..<6))
        #expect(load.state.withLock { $0.most } == 2)
        try await slots.acquire()
        try await slots.acquire()
    }
    @Test(
        "permits are weighed: nobody overtakes a large request, and those behind a cancelled one go on",
        .timeLimit(.minutes(1)))
    func weighted() async throws {
        let semaphore = AsyncSemaphore(10)
        try await semaphore.acquire(6)
        let large = Task { try await semaphore.acquire(8) }
        while semaphore.waiting < 1 { await Task.yield() }
        #expect(!semaphore.tryAcquire(1), "a small request overtook the large one")
        let small = Task { try await semaphore.acquire(4) }
        while semaphore.waiting < 2 { await Task.yield() }
        large.cancel()
        await #expect(throws: CloudletError.self) { try await large.value }
        try await small.value
        #expect(!semaphore.tryAcquire(1))
        semaphore.release(4)
        semaphore.release(6)
        // More than there are at all: all of them, and all of them back.
        try await semaphore.acquire(50)
        #expect(!semaphore.tryAcquire(1))
        semaphore.release(50)
        #expect(semaphore.tryAcquire(10) && !semaphore.tryAcquire(1))
    }
}
