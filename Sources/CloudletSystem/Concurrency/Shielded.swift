/// Runs `body` to its end even if the calling task is cancelled, for example to send a last message to a peer or to
/// release a resource that would otherwise leak.
package func shielded<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
    await Task { await body() }.value
}
