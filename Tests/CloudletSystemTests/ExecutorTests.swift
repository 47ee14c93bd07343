import CloudletSystem
import Synchronization
import Testing

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

    @Test("places are taken by so many at once, the others wait in line, and who is cancelled leaves it")
    func slots() async throws {
        let slots = Slots(2)
        let load = Load()
        try await slots.take()
        try await slots.take()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<6 {
                group.addTask {
                    try await slots.take()
                    load.enter(number)
                    try await Task.sleep(for: .milliseconds(5))
                    load.leave()
                    slots.giveBack()
                }
                try await Task.sleep(for: .milliseconds(10))
            }
            let impatient = Task { try await slots.take() }
            try await Task.sleep(for: .milliseconds(10))
            impatient.cancel()
            await #expect(throws: (any Error).self) { try await impatient.value }
            #expect(load.state.withLock { $0.order.isEmpty })
            slots.giveBack()
            slots.giveBack()
            try await group.waitForAll()
        }
        #expect(load.state.withLock { $0.order } == Array(0..<6))
        #expect(load.state.withLock { $0.most } == 2)
        try await slots.take()
        try await slots.take()
    }
}
