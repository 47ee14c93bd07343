package import CloudletCore

/// Runs two operations at the same time.
/// - Returns: the results of both.
/// - Throws: the error of `first`, if it throws; otherwise the error of `second`. When `first` fails, `second` is
///   cancelled, and its end is awaited.
package func concurrently<First, Second: Sendable>(
    _ first: () async throws(CloudletError) -> First,
    _ second: @escaping @Sendable () async throws(CloudletError) -> Second
) async throws(CloudletError) -> (First, Second) {
    async let other = Result.of(second)
    let value = try await first()
    return (value, try await other.get())
}

extension Result where Failure == CloudletError, Success: Sendable {
    fileprivate static func of(_ work: @Sendable () async throws(CloudletError) -> Success) async -> Self {
        do throws(CloudletError) { return .success(try await work()) } catch { return .failure(error) }
    }
}
