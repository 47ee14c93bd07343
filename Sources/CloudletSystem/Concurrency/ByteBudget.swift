import Synchronization

/// Bounds the bytes that are under way between a producer and its consumers: the producer takes from the budget and
/// waits when it is used up, consumers give back.
package final class ByteBudget: Sendable {
    private struct State {
        var available: Int
        var closed = false
        var waiting: [(bytes: Int, CheckedContinuation<Void, Never>)] = []
    }

    private let limit: Int
    private let state: Mutex<State>

    /// A budget of `bytes`.
    package init(_ bytes: Int) {
        limit = bytes
        state = Mutex(State(available: bytes))
    }

    /// Takes `bytes` (at most the whole budget), waiting for room. Once the budget is closed nobody waits any more.
    package func take(_ bytes: Int) async {
        let wanted = min(bytes, limit)
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                if state.closed { return true }
                if state.waiting.isEmpty, state.available >= wanted {
                    state.available -= wanted
                    return true
                }
                state.waiting.append((wanted, continuation))
                return false
            }
            if ready { continuation.resume() }
        }
    }

    /// Gives back what `take` took for the same count.
    package func giveBack(_ bytes: Int) {
        let ready = state.withLock { state in
            state.available += min(bytes, limit)
            var ready: [CheckedContinuation<Void, Never>] = []
            while let first = state.waiting.first, state.available >= first.bytes {
                state.available -= first.bytes
                ready.append(first.1)
                state.waiting.removeFirst()
            }
            return ready
        }
        for continuation in ready { continuation.resume() }
    }

    /// Lets everybody who waits, and everybody who comes, go on.
    package func close() {
        let waiting = state.withLock { state in
            state.closed = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for (_, continuation) in waiting { continuation.resume() }
    }
}
