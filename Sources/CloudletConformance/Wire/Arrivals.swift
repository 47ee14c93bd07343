// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Notifies waiting tasks that messages have arrived.
final class Arrivals: Sendable {
    private struct State {
        var waiting: [Int: AsyncStream<Void>.Continuation] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    /// Must be called when a message has arrived.
    func note() {
        for waiting in state.withLock({ Array($0.waiting.values) }) { waiting.yield() }
    }

    /// A stream that yields at once, and again whenever messages have arrived since its last element, until `time` is
    /// over.
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
