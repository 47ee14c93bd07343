package import CloudletCore
import Synchronization

/// A number of places that tasks take and give back; who finds none waits in line.
package final class Slots: Sendable {
    private struct State {
        var free: Int
        var waiting: [(id: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
        var next: UInt64 = 0
    }

    private let state: Mutex<State>

    /// So many places.
    package init(_ count: Int) { state = Mutex(State(free: count)) }

    /// Takes a place.
    /// - Throws: `CloudletError.interrupted` when the task is cancelled before there is one.
    package func take() async throws(CloudletError) {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        let taken = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append((id, continuation))
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
            }
            waiting?.continuation.resume(returning: false)
        }
        guard taken else { throw CloudletError(.interrupted, "interrupted") }
    }

    /// Takes a place if there is one, without waiting.
    /// - Returns: whether there was one.
    package func tryTake() -> Bool {
        state.withLock { state in
            guard state.free > 0 else { return false }
            state.free -= 1
            return true
        }
    }

    /// Gives a place back, to the one who waits longest.
    package func giveBack() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst().continuation }
            state.free += 1
            return nil
        }
        next?.resume(returning: true)
    }
}
