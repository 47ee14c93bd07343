// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Synchronization

/// Delivers the events of a connection's domains to the tasks that wait for them.
final class DomainEvents: Sendable {
    /// An event and the name of its domain.
    struct Entry: Sendable {
        let name: String
        let event: DomainEvent
    }

    private struct State {
        var listeners: [Int: Listener] = [:]
        var next = 0
        /// How the most recently ended domains ended, the latest last.
        var ends: [(name: String, event: LifecycleEvent)] = []
    }

    private struct Listener {
        /// `nil` for the events of all domains.
        let name: String?
        let feed: AsyncStream<Entry>.Continuation
    }

    private let state = Mutex(State())
    private static let remembered = 256

    /// The events from now on, of the domain with this name until it ends, or of all domains. A slow listener gets only
    /// the latest 256.
    func stream(of name: String? = nil) -> AsyncStream<Entry> { open(name).events }

    private func open(_ name: String?) -> (events: AsyncStream<Entry>, feed: AsyncStream<Entry>.Continuation) {
        let (events, feed) = AsyncStream.makeStream(of: Entry.self, bufferingPolicy: .bufferingNewest(256))
        let id = state.withLock { state in
            state.next += 1
            state.listeners[state.next] = Listener(name: name, feed: feed)
            return state.next
        }
        feed.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
        }
        return (events, feed)
    }

    /// Delivers an event to its listeners.
    func notify(_ name: String, _ event: DomainEvent) {
        let listeners = state.withLock { state in
            if case .lifecycle(let change) = event, change.isEnd {
                if state.ends.count >= Self.remembered { state.ends.removeFirst() }
                state.ends.append((name, change))
            }
            return state.listeners.values.filter { $0.name == nil || $0.name == name }
        }
        for listener in listeners {
            listener.feed.yield(Entry(name: name, event: event))
            if event.isEnd, listener.name != nil { listener.feed.finish() }
        }
    }

    /// Waits until the domain with this name has ended.
    /// - Parameters:
    ///   - name: the domain's name.
    ///   - isActive: whether the domain still runs.
    /// - Returns: how it ended; `nil` when it ended before its events were recorded, or the task was cancelled.
    func end(of name: String, isActive: () async -> Bool) async -> LifecycleEvent? {
        let events = stream(of: name)
        guard await isActive() else { return state.withLock { $0.ends.last { $0.name == name }?.event } }
        for await entry in events {
            if case .lifecycle(let change) = entry.event, change.isEnd { return change }
        }
        return nil
    }

    /// Waits until `condition` is true. Evaluates it at once, after each event that `matters`, and at the end.
    /// - Parameters:
    ///   - name: the domain whose events are used.
    ///   - limit: how long to wait.
    ///   - matters: whether an event may have changed the answer.
    ///   - condition: the condition.
    /// - Returns: `false` when the time was over first.
    /// - Throws: what `condition` throws, or `CloudletError.interrupted` when the task is cancelled.
    func wait(
        for name: String, within limit: Duration, after matters: (DomainEvent) -> Bool,
        until condition: () async throws(CloudletError) -> Bool
    ) async throws(CloudletError) -> Bool {
        let (events, feed) = open(name)
        return try await withDeadline(limit) { () async throws(CloudletError) in
            if try await condition() { return true }
            for await entry in events where matters(entry.event) {
                if try await condition() { return true }
            }
            if Task.isCancelled { throw CloudletError(.interrupted, "interrupted") }
            return try await condition()
        } orEnd: { _ in
            feed.finish()
        }
    }
}
