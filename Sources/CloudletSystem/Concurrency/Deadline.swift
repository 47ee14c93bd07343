// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Synchronization

/// Runs `body`, which can be cancelled, for at most `duration`.
/// - Returns: what `body` returns, or `nil` when the time is over. Then `body` is cancelled, and its end is awaited.
package func withDeadline<Value: Sendable>(
    _ duration: Duration, _ body: @escaping @Sendable () async throws(CloudletError) -> Value
) async throws(CloudletError) -> Value? {
    let result: Result<Value, CloudletError>? = await withTaskGroup(of: Result<Value, CloudletError>?.self) { group in
        group.addTask { await .of(body) }
        group.addTask {
            try? await Task.sleep(for: duration)
            return nil
        }
        let first = await group.next() ?? nil
        group.cancelAll()
        return first
    }
    return try result?.get()
}

/// Why an operation is to end before it is done.
package enum Expiry: Sendable, Hashable {
    /// Its time is over.
    case late
    /// Its task was cancelled.
    case cancelled
}

/// Runs `body`, which waits for something that does not notice a cancelled task. If `body` has not returned when the
/// time is over or the task is cancelled, calls `end`, and waits for both.
/// - Parameters:
///   - duration: how long `body` may take.
///   - body: the operation.
///   - end: makes `body` return. It is called at most once, and runs in a cancelled task if that is the reason.
/// - Returns: what `body` returns, also when it does so after `end`.
/// - Throws: what `body` throws.
package func withDeadline<Value>(
    _ duration: Duration, _ body: () async throws(CloudletError) -> Value,
    orEnd end: @escaping @Sendable (Expiry) async -> Void
) async throws(CloudletError) -> Value {
    let isSettled = Atomic(false)
    async let _: Void = {
        let isLate = (try? await Task.sleep(for: duration)) != nil
        guard !isSettled.exchange(true, ordering: .sequentiallyConsistent) else { return }
        await end(isLate ? .late : .cancelled)
    }()
    let result = await Result.of(body)
    isSettled.store(true, ordering: .sequentiallyConsistent)
    return try result.get()
}

/// Runs `body`, which can't be made to return, in a task of its own, and waits for it at most `duration`.
/// - Returns: what `body` returns; `nil` when the time is over or the calling task is cancelled. Then `body` continues,
///   and its result is dropped.
package func resultWithin<Value: Sendable>(
    _ duration: Duration, of body: @escaping @Sendable () async -> Value
) async -> Value? {
    let result = Mailbox<Value>()
    Task { result.put(await body()) }
    let first = try? await withDeadline(duration) { () async throws(CloudletError) in try? await result.next() }
    return first ?? nil
}

/// Evaluates `condition` every `interval` until it is true. With `longest`, the interval grows up to that.
/// - Returns: `false` when it is not true within `limit`.
package func poll(
    every interval: Duration, upTo longest: Duration? = nil, for limit: Duration,
    _ condition: () async throws(CloudletError) -> Bool
) async throws(CloudletError) -> Bool {
    let clock = ContinuousClock()
    let end = clock.now + limit
    var interval = interval
    while true {
        if try await condition() { return true }
        if clock.now >= end { return false }
        do { try await Task.sleep(for: interval) } catch { throw CloudletError(.interrupted, "interrupted") }
        if let longest { interval = min(longest, interval * 3 / 2) }
    }
}
