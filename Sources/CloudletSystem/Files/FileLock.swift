// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// An exclusive advisory lock on a file (flock(2)). It is released with the last reference, or when the process ends.
package final class FileLock: Sendable {
    private let file: File

    /// Takes the lock without waiting; `nil` when another process holds it. Makes the file if it is missing (0600),
    /// unless `creating` is false.
    package static func tryAcquire(_ path: FilePath, creating: Bool = true) throws(CloudletError) -> FileLock? {
        let file = try File(
            opening: path, .readWrite, creating ? [.create] : [], permissions: 0o600, "can't open the lock file \(path)"
        )
        if flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 { return FileLock(file) }
        if errno == EWOULDBLOCK { return nil }
        throw CloudletError(errno: errno, "can't lock \(path)")
    }

    /// Whether a process holds the lock. This function takes it for a moment, so a process that wants it should retry.
    package static func isHeld(_ path: FilePath) throws(CloudletError) -> Bool {
        guard try FileStatus.of(path) != nil else { return false }
        return try tryAcquire(path) == nil
    }

    private init(_ file: File) { self.file = file }
}
