// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Runs two operations at the same time.
/// - Returns: the results of both.
/// - Throws: the error of the operation that fails first. When one fails, the other is cancelled, and its end is
///   awaited.
package func concurrently<First: Sendable, Second: Sendable>(
    _ first: @escaping @Sendable () async throws(CloudletError) -> First,
    _ second: @escaping @Sendable () async throws(CloudletError) -> Second
) async throws(CloudletError) -> (First, Second) {
    var values: (first: First?, second: Second?)
    var failure: CloudletError?
    await withTaskGroup(of: Part<First, Second>.self) { group in
        group.addTask { .first(await .of(first)) }
        group.addTask { .second(await .of(second)) }
        for await part in group {
            do throws(CloudletError) {
                switch part {
                case .first(let result): values.first = try result.get()
                case .second(let result): values.second = try result.get()
                }
            } catch {
                group.cancelAll()
                failure = failure ?? error
            }
        }
    }
    guard let first = values.first, let second = values.second else {
        throw failure ?? CloudletError(.defect, "an operation ended without a result")
    }
    return (first, second)
}

/// The result of one of the operations.
private enum Part<First: Sendable, Second: Sendable>: Sendable {
    case first(Result<First, CloudletError>)
    case second(Result<Second, CloudletError>)
}
