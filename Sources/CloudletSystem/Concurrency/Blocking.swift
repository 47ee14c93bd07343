public import CloudletCore
import Dispatch

/// Runs a call that blocks (libvirt, a socket) on a thread of its own kind, never on the common pool.
public func blocking<Value: Sendable>(
    _ body: @escaping @Sendable () throws(CloudletError) -> Value
) async throws(CloudletError) -> Value {
    let result: Result<Value, CloudletError> = await withCheckedContinuation { continuation in
        DispatchQueue.global().async {
            continuation.resume(returning: Result { () throws(CloudletError) in try body() })
        }
    }
    return try result.get()
}
