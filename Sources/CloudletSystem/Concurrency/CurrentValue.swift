// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that changes, with several readers. Each reader gets the current value first, and then the newest value
/// whenever it asks for the next one. Values in between can be skipped.
package final class CurrentValue<Value: Hashable & Sendable>: Sendable {
    private struct State {
        var value: Value
        /// The number of changes.
        var version = 0
        var readers: [Int: AsyncStream<Void>.Continuation] = [:]
        var nextReader = 0
    }

    private let state: Mutex<State>

    /// Starts with `value`.
    package init(_ value: Value) { state = Mutex(State(value: value)) }

    /// The current value.
    package var value: Value { state.withLock { $0.value } }

    /// Sets the value. Readers receive it if it differs from the previous one.
    /// - Returns: whether it differs.
    @discardableResult package func set(_ value: Value) -> Bool { update { $0 = value } }

    /// Changes the value in place. Readers receive it if it differs from the previous one.
    /// - Returns: whether it differs.
    @discardableResult package func update(_ change: (inout Value) -> Void) -> Bool {
        let readers = state.withLock { state -> [AsyncStream<Void>.Continuation]? in
            let before = state.value
            change(&state.value)
            guard state.value != before else { return nil }
            state.version += 1
            return Array(state.readers.values)
        }
        // Not under the lock: resuming a task takes the task's lock, under which its cancellation takes this one.
        for reader in readers ?? [] { reader.yield() }
        return readers != nil
    }

    /// The current value and all later newest values, until the reader stops.
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

    /// The values that one reader receives.
    package struct Values: AsyncSequence, Sendable {
        fileprivate let source: CurrentValue

        package func makeAsyncIterator() -> Iterator {
            Iterator(source: source, changes: source.changes().makeAsyncIterator())
        }

        /// Reads the values.
        package struct Iterator: AsyncIteratorProtocol {
            fileprivate let source: CurrentValue
            fileprivate var changes: AsyncStream<Void>.Iterator
            fileprivate var seen: Int?

            package mutating func next() async -> Value? { await next(isolation: #isolation) }

            /// Waits until the newest value is one that this reader has not seen; `nil` when the task is cancelled.
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
