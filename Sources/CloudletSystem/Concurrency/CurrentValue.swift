import Synchronization

/// A value that changes, for several readers: each sees the value of the moment it starts and then the newest one
/// whenever it is ready for it; values in between may be skipped.
package final class CurrentValue<Value: Hashable & Sendable>: Sendable {
    private struct State {
        var value: Value
        var readers: [Int: AsyncStream<Value>.Continuation] = [:]
        var nextReader = 0
    }

    private let state: Mutex<State>

    /// Starts with `value`.
    package init(_ value: Value) { state = Mutex(State(value: value)) }

    /// The value now.
    package var value: Value { state.withLock { $0.value } }

    /// Changes the value; readers hear of it when it differs.
    /// - Returns: whether it differs.
    @discardableResult package func set(_ value: Value) -> Bool { update { $0 = value } }

    /// Changes the value in place; readers hear of it when it differs afterwards.
    /// - Returns: whether it differs.
    @discardableResult package func update(_ change: (inout Value) -> Void) -> Bool {
        state.withLock { state in
            let before = state.value
            change(&state.value)
            guard state.value != before else { return false }
            for reader in state.readers.values { reader.yield(state.value) }
            return true
        }
    }

    /// The value now and every newest value after it, until the reader stops.
    package func values() -> AsyncStream<Value> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let number = state.withLock { state in
                state.nextReader += 1
                state.readers[state.nextReader] = continuation
                continuation.yield(state.value)
                return state.nextReader
            }
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { _ = $0.readers.removeValue(forKey: number) }
            }
        }
    }
}
