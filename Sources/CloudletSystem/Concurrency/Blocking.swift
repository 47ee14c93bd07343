public import CloudletCore
import Foundation

/// Runs a call that blocks (libvirt, a socket) on a thread of its own, never on the common pool or on Dispatch's, where
/// a few blocked calls would hold up all others.
public func blocking<Value: Sendable>(
    _ body: @escaping @Sendable () throws(CloudletError) -> Value
) async throws(CloudletError) -> Value {
    let result: Result<Value, CloudletError> = await withCheckedContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(returning: Result { () throws(CloudletError) in try body() })
        }
    }
    return try result.get()
}
