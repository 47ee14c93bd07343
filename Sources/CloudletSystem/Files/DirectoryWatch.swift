// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc
package import SystemPackage

/// Reports when files appear in a directory (inotify(7)).
package final class DirectoryWatch: Sendable {
    private let events: File

    /// Begins to watch.
    /// - Throws: `CloudletError` when the directory does not exist, or the system has no more watches.
    package init(_ directory: FilePath) throws(CloudletError) {
        let descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard descriptor >= 0 else { throw CloudletError(errno: errno, "can't watch \(directory)") }
        events = File(owning: descriptor, named: directory)
        guard unsafe inotify_add_watch(descriptor, directory.string, UInt32(IN_CREATE | IN_MOVED_TO)) >= 0 else {
            throw CloudletError(errno: errno, "can't watch \(directory)")
        }
    }

    /// Waits until a file has been created in or moved into the directory since the last call or since the beginning.
    /// - Returns: `false` when the task is cancelled.
    package func waitForFile() async throws(CloudletError) -> Bool {
        guard try await waitUntilReadable(events.descriptor) else { return false }
        // Which events arrived does not matter, only that there was one.
        var buffer = [UInt8](repeating: 0, count: 4096)
        let capacity = buffer.count
        while unsafe read(events.descriptor, &buffer, capacity) > 0 {}
        return true
    }
}
