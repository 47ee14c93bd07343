// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Runs `body` to its end even if the calling task is cancelled, for example to send a last message to a peer or to
/// release a resource that would otherwise leak.
package func shielded<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
    await Task { await body() }.value
}

/// Does the same for a `body` that can fail.
package func shielded<Value: Sendable>(
    _ body: @escaping @Sendable () async throws(CloudletError) -> Value
) async throws(CloudletError) -> Value {
    let result: Result<Value, CloudletError> = await shielded { await .of(body) }
    return try result.get()
}
