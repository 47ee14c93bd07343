/// Runs `body` to its end even when the calling task is cancelled: for the last message to a peer, and for releasing what
/// would leak otherwise.
package func shielded<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
    await Task { await body() }.value
}
