// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

extension Directory {
    /// Makes a directory that only this user may enter (0700). An existing directory of this user is used, and other
    /// users' permissions are removed. The target of a link is not changed, because it can contain other files too.
    /// - Throws: `CloudletError.permission` when it belongs to another user, or others may enter the target of a link.
    package static func createPrivate(_ path: FilePath) throws(CloudletError) {
        try create(path, permissions: 0o700)
        let directory = try Directory.open(path)
        try directory.requireOwn()
        let mode = try directory.status().permissions
        guard mode & 0o077 != 0 else { return }
        guard !isLink(path) else {
            throw CloudletError(
                .permission, "\(path) is a link to a directory that other users of this machine can enter",
                advice: "close the directory to them (chmod 700), or remove the link")
        }
        try directory.setPermissions(mode & ~0o077)
    }

    private static func isLink(_ path: FilePath) -> Bool {
        var raw = stat()
        return unsafe lstat(path.string, &raw) == 0 && raw.st_mode & S_IFMT == S_IFLNK
    }
}

extension File {
    /// Throws if the file belongs to another user, who could replace its content at any time. This applies to root as
    /// well, because root would use what the other user writes.
    package func requireOwn() throws(CloudletError) {
        let owner = try status().owner
        guard owner != geteuid() else { return }
        throw CloudletError(
            .permission, "\(path) belongs to another user (uid \(owner))",
            advice: "use a directory of your own, or run the program as that user")
    }
}
