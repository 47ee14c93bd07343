// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletSystem
import FoundationEssentials
package import SystemPackage

/// A directory for one test. It is removed when the object is released, unless `CLOUDLET_KEEP_SCRATCH` is set.
package final class ScratchDirectory: Sendable {
    /// The directory.
    package let path: FilePath

    /// Makes a new directory in `$TMPDIR` or /tmp. Its name is short because sockets are made below it.
    package init() throws {
        let parent = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        path = FilePath(parent).appending("clt-" + String(UInt32.random(in: 0 ... .max), radix: 36))
        try Directory.create(path, permissions: 0o700)
    }

    deinit {
        if ProcessInfo.processInfo.environment["CLOUDLET_KEEP_SCRATCH"] == nil { try? FileSystem.remove(path) }
    }

    /// A path inside the directory.
    package func file(_ name: String) -> FilePath { path.appending(name) }

    /// Writes a file with these bytes and opens it for reading and writing.
    package func write(_ name: String, _ bytes: [UInt8]) throws -> File {
        let file = try File(file(name), .create(permissions: 0o644))
        try file.write(bytes, at: 0)
        return file
    }
}
