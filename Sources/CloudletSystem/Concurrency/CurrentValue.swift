import Synchronization

/// A value that changes, for several readers: each reader gets the current value first, and then the newest one whenever
/// it is ready for it; values in between may be skipped.
package final class CurrentValue<Value: Hashable & Sendable>: Sendable {
    private struct State {
        var value: Value
        /// Counts changes.
        var version = 0
        var readers: [Int: AsyncStream<Void>.Continuation] = [:]
        var nextReader = 0
    }

    private let state: Mutex<State>

    /// Starts with `value`.
    package init(_ value: Value) { state = Mutex(State(value: value)) }

    /// The value now.
    package var value: Value { state.withLock { $0.value } }

    /// Changes the value; readers receive it when it differs.
    /// - Returns: whether it differs.
    @discardableResult package func set(_ value: Value) -> Bool { update { $0 = value } }

    /// Changes the value in place; readers receive it when it differs afterwards.
    /// - Returns: whether it differs.
    @discardableResult package func update(_ change: (inout Value) -> Void) -> Bool {
        let readers = state.withLock { state -> [AsyncStream<Void>.Continuation]? in
            let before = state.value
            change(&state.value)
            guard state.value != before else { return nil }
            state.version += 1
            return Array(state.readers.values)
        }
        // Not under the lock: waking a task takes a lock of the task, under which its cancellation asks for ours.
        for reader in readers ?? [] { reader.yield() }
        return readers != nil
    }

    /// The value now and every newest value after it, until the reader stops.
    package func values() -> Values { Values(source: self) }

    private func changes() -> AsyncStream<Void> {
        let (changes, reader) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.nextReader += 1
            state.readers[state.nextReader] = reader
            return state.nextReader
        }
        reader.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.readers.removeValue(forKey: number) }
        }
        reader.yield()
        return changes
    }

    /// The values that one reader sees.
    package struct Values: AsyncSequence, Sendable {
        fileprivate let source: CurrentValue

        package func makeAsyncIterator() -> Iterator {
            Iterator(source: source, changes: source.changes().makeAsyncIterator())
        }

        /// Reads on.
        package struct Iterator: AsyncIteratorProtocol {
            fileprivate let source: CurrentValue
            fileprivate var changes: AsyncStream<Void>.Iterator
            fileprivate var seen: Int?

            package mutating func next() async -> Value? { await next(isolation: #isolation) }

            /// The newest value that was not seen yet, waiting for it; `nil` when the task is cancelled.
            package mutating func next(isolation actor: isolated (any Actor)?) async -> Value? {
                while await changes.next(isolation: actor) != nil {
                    let (value, version) = source.state.withLock { ($0.value, $0.version) }
                    if version != seen {
                        seen = version
                        return value
                    }
                }
                return nil
            }
        }
    }
}
