package import CloudletCore
import Glibc

/// Waits until a descriptor is readable (poll(2)), which it also is at the end of its input.
/// - Returns: `false` when the task is cancelled.
/// - Throws: `CloudletError` when the system has no socket or thread for the wait.
package func waitUntilReadable(_ descriptor: Int32) async throws(CloudletError) -> Bool {
    let end = try SocketPair()
    let result: Result<Void, CloudletError> = await withTaskCancellationHandler {
        do throws(CloudletError) {
            return .success(
                try await blocking { () throws(CloudletError) in
                    var entries = [descriptor, end.theirs.descriptor].map {
                        pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
                    }
                    while unsafe poll(&entries, 2, -1) < 0 {
                        guard errno == EINTR else { throw CloudletError(errno: errno, "can't wait for input") }
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
