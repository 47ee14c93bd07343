package import CloudletCore

/// Runs a call that blocks (libvirt, a socket) on a thread of its own, never on the common pool or on Dispatch's, where
/// a few blocked calls would hold up all others.
/// - Throws: what `body` throws, or `CloudletError.busy` when the system starts no thread; `body` does not run then.
package func blocking<Value: Sendable>(
    _ body: @escaping @Sendable () throws(CloudletError) -> Value
) async throws(CloudletError) -> Value {
    let result: Result<Value, CloudletError> = await withCheckedContinuation { continuation in
        let isStarted = DetachedThread.start {
            continuation.resume(returning: Result { () throws(CloudletError) in try body() })
        }
        if !isStarted { continuation.resume(returning: .failure(DetachedThread.refusal)) }
    }
    return try result.get()
}
