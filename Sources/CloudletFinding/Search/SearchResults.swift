import Synchronization

/// What a search has found so far, shared between its thread and the callers, and their wish to stop it.
final class SearchResults: Sendable {
    struct Content: Sendable {
        var found: [FoundNode] = []
        var unverified: [UnverifiedNode] = []
        var observations = FinderInbox.Observations()
    }

    private let content = Mutex(Content())
    private let isStopped = Atomic<Bool>(false)

    /// What was found.
    var value: Content { content.withLock { $0 } }
    /// Whether the search is to end.
    var wasStopped: Bool { isStopped.load(ordering: .relaxed) }

    func set(_ found: [FoundNode]) { content.withLock { $0.found = found } }

    func finish(_ observations: FinderInbox.Observations, _ unverified: [UnverifiedNode]) {
        content.withLock { ($0.observations, $0.unverified) = (observations, unverified) }
    }

    func start() { isStopped.store(false, ordering: .relaxed) }
    func stop() { isStopped.store(true, ordering: .relaxed) }
}
