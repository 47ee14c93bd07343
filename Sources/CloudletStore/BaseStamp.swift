// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletSystem

/// The file system's metadata of a base VM's images, which shows a change without reading them: sizes, inode numbers,
/// and the times mtime and ctime (stat(2)). Anybody who may write to a file can set its mtime; only the kernel sets the
/// ctime. Device numbers are left out, because some change at each boot.
///
/// An unchanged stamp means unchanged content. A changed stamp proves nothing, because the files may only have been
/// copied, touched or linked. Then the content is compared once, and the new stamp is recorded.
package struct BaseStamp: Hashable, Sendable {
    /// The stamp as it is stored.
    let text: String

    init(text: String) { self.text = text }

    /// Creates a stamp from the status of the open files.
    package init(disk: FileStatus, memory: FileStatus) {
        text = [disk, memory].map { "\($0.size):\($0.identity.inode):\($0.modified):\($0.changed)" }
            .joined(separator: " ")
    }
}
