import CloudletSystem
import Synchronization
import Testing

@Suite struct ExecutorTests {
    /// Counts how many jobs run at once.
    private final class Load: Sendable {
        let state = Mutex((running: 0, most: 0))
        func enter() {
            state.withLock {
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
}
