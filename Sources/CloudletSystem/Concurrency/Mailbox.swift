import Synchronization

/// Hands elements from one task to another. Unlike an `AsyncStream` it remains usable after a task that waited for an
/// element was cancelled: the next task that waits gets the element.
package final class Mailbox<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var end: Result<Void, any Error>?
        var waiting: CheckedContinuation<Element?, any Error>?
    }

    private let state = Mutex(State())

    /// An empty mailbox.
    package init() {}

    /// Adds an element.
    /// - Returns: `false` when the mailbox was finished already; the element is not taken then.
    @discardableResult
    package func put(_ element: Element) -> Bool {
        let (taken, waiting) = state.withLock { state -> (Bool, CheckedContinuation<Element?, any Error>?) in
            guard state.end == nil else { return (false, nil) }
            if let waiting = state.waiting {
                state.waiting = nil
                return (true, waiting)
            }
            state.elements.append(element)
            return (true, nil)
        }
        waiting?.resume(returning: element)
        return taken
    }

    /// Ends the mailbox: no more elements come, for the reason given.
    package func finish(throwing error: (any Error)? = nil) {
        let waiting = state.withLock { state -> CheckedContinuation<Element?, any Error>? in
            guard state.end == nil else { return nil }
            state.end = error.map { .failure($0) } ?? .success(())
            defer { state.waiting = nil }
            return state.waiting
        }
        if let error { waiting?.resume(throwing: error) } else { waiting?.resume(returning: nil) }
    }

    /// Takes the elements that are there, without waiting; also in a cancelled task.
    package func drain() -> [Element] {
        state.withLock { state in
            defer { state.elements.removeAll() }
            return state.elements
        }
    }

    /// The next element, waiting for it; `nil` when nothing more comes.
    /// - Throws: the error the mailbox was finished with, or `CancellationError`. Only one task may wait.
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
