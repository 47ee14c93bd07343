import Synchronization

/// What a command has printed.
package final class Transcript: Sendable {
    private let state = Mutex((results: "", notes: ""))

    /// Nothing is printed yet.
    package init() {}

    /// What went to standard output.
    package var results: String { state.withLock(\.results) }

    /// What went to standard error.
    package var notes: String { state.withLock(\.notes) }

    func add(_ text: String, isResult: Bool) {
        state.withLock { if isResult { $0.results += text } else { $0.notes += text } }
    }
}
