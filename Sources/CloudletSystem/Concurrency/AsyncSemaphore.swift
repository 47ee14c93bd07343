// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Synchronization

/// A weighted semaphore: a task takes and releases one or more permits. If there are too few, the task waits in a
/// queue, in order of arrival. A permit can stand for a connection, a byte of memory, or any other limited resource.
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

        /// Removes the waiters from the queue for which there are now enough permits.
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

    /// Takes permits, and waits for them if necessary. If `count` exceeds the capacity, takes all permits.
    /// - Throws: `CloudletError.interrupted` when the task is cancelled before it has the permits. Then it has none.
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
                // A waiter that wanted many permits may have blocked others that want few.
                return (cancelled, state.admitted())
            }
            cancelled?.continuation.resume(returning: false)
            for waiter in admitted { waiter.continuation.resume(returning: true) }
        }
        guard isAdmitted else { throw CloudletError(.interrupted, "interrupted") }
    }

    /// Takes permits if there are enough and no task waits for permits.
    /// - Returns: whether the permits were taken.
    package func tryAcquire(_ count: Int = 1) -> Bool { state.withLock { $0.takeAtOnce(min(count, capacity)) } }

    /// Releases the permits that `acquire` or `tryAcquire` took for the same count.
    package func release(_ count: Int = 1) {
        let admitted = state.withLock { state in
            state.available += min(count, capacity)
            return state.admitted()
        }
        for waiter in admitted { waiter.continuation.resume(returning: true) }
    }
}
