/// Runs `body` to its end even when the calling task is cancelled: for the last word to a peer and for giving back what
/// would else be leaked.
package func shielded<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
    await Task { await body() }.value
}
