// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The results of a search so far and the request to stop it, shared between the search's thread and the callers.
final class SearchResults: Sendable {
    struct Content: Sendable {
        var found: [FoundNode] = []
        var unverified: [UnverifiedNode] = []
        var observations = FinderInbox.Observations()
    }

    private let content = Mutex(Content())
    private let isStopped = Atomic<Bool>(false)

    /// The results so far.
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
