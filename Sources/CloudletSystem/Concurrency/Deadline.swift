package import CloudletCore

/// Runs `body` for at most `duration`.
/// - Returns: what `body` returns, or `nil` when the time is over. Then `body` is cancelled, and its end is awaited.
package func withDeadline<Value: Sendable>(
    _ duration: Duration, _ body: @escaping @Sendable () async throws(CloudletError) -> Value
) async throws(CloudletError) -> Value? {
    let result: Result<Value, CloudletError>? = await withTaskGroup(of: Result<Value, CloudletError>?.self) { group in
        group.addTask {
            do throws(CloudletError) { return .success(try await body()) } catch { return .failure(error) }
        }
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
