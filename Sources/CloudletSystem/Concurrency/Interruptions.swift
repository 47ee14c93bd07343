// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Synchronization

/// Counts how often a user, a terminal or the system has asked the program to stop. Work that can't be repeated is only
/// stopped at the second request.
package final class Interruptions: Sendable {
    private struct State {
        var count = 0
        var last: ContinuousClock.Instant?
        var works: [UInt64: Work] = [:]
        var next: UInt64 = 0
    }

    private struct Work: Sendable {
        let limit: Int
        let cancel: @Sendable () -> Void
    }

    private let state = Mutex(State())

    /// A counter without requests.
    package init() {}

    /// One request often arrives as two signals: `timeout` and `sudo` send their own in addition to the terminal's, and
    /// a shell sends a second SIGHUP.
    private static let sameRequest = Duration.seconds(1)

    /// Counts a request to stop, unless it belongs to the previous one.
    package func add(at now: ContinuousClock.Instant = .now) {
        let ended = state.withLock { state -> [Work] in
            if let last = state.last, now - last < Self.sameRequest { return [] }
            state.last = now
            state.count += 1
            return state.works.values.filter { $0.limit <= state.count }
        }
        for work in ended { work.cancel() }
    }

    /// Resets the count when the program has done what was requested.
    package func settle() { state.withLock { $0.count = 0 } }

    /// Runs `body` to its end even if the calling task is cancelled. It is cancelled when the program has been asked to
    /// stop `limit` times.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, or `CloudletError.interrupted`, without running it, if the limit is reached.
    package func run<Value: Sendable>(
        until limit: Int, _ body: @escaping @Sendable () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        guard state.withLock({ $0.count < limit }) else { throw CloudletError(.interrupted, "interrupted") }
        let task = Task { await Result.of(body) }
        let (id, isLate) = state.withLock { state in
            state.next += 1
            state.works[state.next] = Work(limit: limit) { task.cancel() }
            return (state.next, state.count >= limit)
        }
        defer { state.withLock { _ = $0.works.removeValue(forKey: id) } }
        if isLate { task.cancel() }
        return try await task.value.get()
    }
}
