package import CloudletCore
import Synchronization

/// A weighted semaphore: tasks take and give back permits, some at once if need be; a task that finds too few waits in a
/// queue, first come, first served. Permits may stand for connections, for bytes in memory, or for whatever is bounded.
package final class AsyncSemaphore: Sendable {
    private struct Waiter {
        let id: UInt64
        let count: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var available: Int
        var waiters: [Waiter] = []
        var nextID: UInt64 = 0

        mutating func takeAtOnce(_ count: Int) -> Bool {
            guard waiters.isEmpty, available >= count else { return false }
            available -= count
            return true
        }

        /// Takes the waiters out of the queue for whom there are permits now.
        mutating func admitted() -> [Waiter] {
            var admitted: [Waiter] = []
            while let first = waiters.first, available >= first.count {
                available -= first.count
                admitted.append(waiters.removeFirst())
            }
            return admitted
        }
    }

    private let capacity: Int
    private let state: Mutex<State>

    /// A semaphore with `capacity` permits.
    package init(_ capacity: Int) {
        self.capacity = capacity
        state = Mutex(State(available: capacity))
    }

    /// How many tasks wait for permits.
    var waiting: Int { state.withLock(\.waiters.count) }

    /// Takes permits, waiting for them if need be. A request for more than there are at all takes all of them.
    /// - Throws: `CloudletError.interrupted` when the task is cancelled before it has them; it has none then.
    package func acquire(_ count: Int = 1) async throws(CloudletError) {
        let count = min(count, capacity)
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let isAdmitted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isAdmitted: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    if state.takeAtOnce(count) { return true }
                    state.waiters.append(Waiter(id: id, count: count, continuation: continuation))
                    return nil
                }
                if let isAdmitted { continuation.resume(returning: isAdmitted) }
            }
        } onCancel: {
            let (cancelled, admitted) = state.withLock { state in
                let cancelled = state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
                // Those behind one who wanted many may find enough for them.
                return (cancelled, state.admitted())
            }
            cancelled?.continuation.resume(returning: false)
            for waiter in admitted { waiter.continuation.resume(returning: true) }
        }
        guard isAdmitted else { throw CloudletError(.interrupted, "interrupted") }
    }

    /// Takes permits if there are enough and nobody waits for them.
    /// - Returns: whether they were taken.
    package func tryAcquire(_ count: Int = 1) -> Bool { state.withLock { $0.takeAtOnce(min(count, capacity)) } }

    /// Gives back what `acquire` or `tryAcquire` took for the same count.
    package func release(_ count: Int = 1) {
        let admitted = state.withLock { state in
            state.available += min(count, capacity)
            return state.admitted()
        }
        for waiter in admitted { waiter.continuation.resume(returning: true) }
    }
}
