// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Runs a blocking call (libvirt, a socket) on a thread of its own. On the common pool or on Dispatch's, a few blocked
/// calls would block all others.
/// - Throws: what `body` throws, or `CloudletError.busy` when the system can't start a thread.
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
