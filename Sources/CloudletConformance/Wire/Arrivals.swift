import Synchronization

/// Tells those who wait for messages that some have arrived.
final class Arrivals: Sendable {
    private struct State {
        var waiting: [Int: AsyncStream<Void>.Continuation] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    /// To be called when something has arrived.
    func note() {
        for waiting in state.withLock({ Array($0.waiting.values) }) { waiting.yield() }
    }

    /// An element at once, and one whenever something has arrived since the last one was taken, until the time is over.
    func stream(for time: Duration) -> AsyncStream<Void> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let number = state.withLock { state in
                state.next += 1
                state.waiting[state.next] = continuation
                return state.next
            }
            continuation.yield()
            let end = Task {
                try? await Task.sleep(for: time)
                continuation.finish()
            }
            continuation.onTermination = { [weak self] _ in
                end.cancel()
                self?.state.withLock { _ = $0.waiting.removeValue(forKey: number) }
            }
        }
    }
}
