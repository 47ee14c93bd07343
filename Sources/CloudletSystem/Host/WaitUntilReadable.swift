// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc

/// Waits until a descriptor is readable (poll(2)), which it also is at the end of its input.
/// - Returns: `false` when the task is cancelled.
/// - Throws: `CloudletError` when the system has no socket or thread for the wait.
package func waitUntilReadable(_ descriptor: Int32) async throws(CloudletError) -> Bool {
    try await wait(for: Int16(POLLIN), on: descriptor)
}

/// Waits until nobody can read any more what is written to a pipe or socket, or a terminal has hung up (POLLERR and
/// POLLHUP, poll(2)). A file always has a reader.
/// - Returns: `false` when the task is cancelled.
/// - Throws: `CloudletError` when the system has no socket or thread for the wait.
package func waitUntilUnread(_ descriptor: Int32) async throws(CloudletError) -> Bool {
    try await wait(for: 0, on: descriptor)
}

private func wait(for events: Int16, on descriptor: Int32) async throws(CloudletError) -> Bool {
    let end = try SocketPair()
    let result: Result<Void, CloudletError> = await withTaskCancellationHandler {
        do throws(CloudletError) {
            return .success(
                try await blocking { () throws(CloudletError) in
                    var entries = [
                        pollfd(fd: descriptor, events: events, revents: 0),
                        pollfd(fd: end.theirs.descriptor, events: Int16(POLLIN), revents: 0),
                    ]
                    while unsafe poll(&entries, 2, -1) < 0 {
                        guard errno == EINTR else { throw CloudletError(errno: errno, "can't wait for a descriptor") }
                    }
                })
        } catch {
            return .failure(error)
        }
    } onCancel: {
        end.ours.shutDown()
    }
    try result.get()
    return !Task.isCancelled
}
