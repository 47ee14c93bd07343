// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Hands elements from one task to another. Unlike an `AsyncStream`, it can still be used after a waiting task was
/// cancelled: the next task that waits gets the element.
package final class Mailbox<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var end: Result<Void, any Error>?
        var waiting: CheckedContinuation<Element?, any Error>?
    }

    private let state = Mutex(State())

    /// An empty mailbox.
    package init() {}

    /// The number of elements that wait to be taken.
    package var count: Int { state.withLock(\.elements.count) }

    /// Adds an element, and drops the waiting ones that it makes obsolete.
    /// - Returns: `false` when the mailbox was already finished. Then the element is dropped.
    @discardableResult
    package func put(_ element: Element, replacing isObsolete: (Element) -> Bool = { _ in false }) -> Bool {
        let (taken, waiting) = state.withLock { state -> (Bool, CheckedContinuation<Element?, any Error>?) in
            guard state.end == nil else { return (false, nil) }
            if let waiting = state.waiting {
                state.waiting = nil
                return (true, waiting)
            }
            state.elements.removeAll(where: isObsolete)
            state.elements.append(element)
            return (true, nil)
        }
        waiting?.resume(returning: element)
        return taken
    }

    /// Finishes the mailbox: no more elements follow. `error` is the reason, if any.
    package func finish(throwing error: (any Error)? = nil) {
        let waiting = state.withLock { state -> CheckedContinuation<Element?, any Error>? in
            guard state.end == nil else { return nil }
            state.end = error.map { .failure($0) } ?? .success(())
            defer { state.waiting = nil }
            return state.waiting
        }
        if let error { waiting?.resume(throwing: error) } else { waiting?.resume(returning: nil) }
    }

    /// Takes all elements in the mailbox without waiting, even in a cancelled task.
    package func drain() -> [Element] {
        state.withLock { state in
            defer { state.elements.removeAll() }
            return state.elements
        }
    }

    /// Waits for the next element; `nil` when no more elements follow. Only one task may wait.
    /// - Throws: the error with which the mailbox was finished, or `CancellationError`.
    package func next() async throws -> Element? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result = state.withLock { state -> Result<Element?, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if !state.elements.isEmpty { return .success(state.elements.removeFirst()) }
                    if let end = state.end { return end.map { nil } }
                    precondition(state.waiting == nil, "only one task may wait at a mailbox")
                    state.waiting = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                defer { state.waiting = nil }
                return state.waiting
            }
            waiting?.resume(throwing: CancellationError())
        }
    }
}
