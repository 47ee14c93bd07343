import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

extension Directory {
    /// Makes a directory that only this user may enter (0700). One that is there already is taken if it is this user's;
    /// rights that others have on it are taken away. What a link leads to is not changed: it may hold other things, too.
    /// - Throws: `CloudletError.permission` when it belongs to another user, or others may enter what a link leads to.
    package static func createPrivate(_ path: FilePath) throws(CloudletError) {
        try create(path, permissions: 0o700)
        let directory = try Directory.open(path)
        try directory.requireOwn()
        let mode = try directory.status().permissions
        guard mode & 0o077 != 0 else { return }
        guard !isLink(path) else {
            throw CloudletError(
                .permission, "\(path) is a link to a directory that other users of this machine may enter",
                advice: "take their rights away (chmod 700), or remove the link")
        }
        try directory.setPermissions(mode & ~0o077)
    }

    private static func isLink(_ path: FilePath) -> Bool {
        var raw = stat()
        return unsafe lstat(path.string, &raw) == 0 && raw.st_mode & S_IFMT == S_IFLNK
    }
}

extension File {
    /// Fails when the file belongs to another user, who could exchange what is in it at any time. That goes for the
    /// superuser, too, who would act upon what the other one writes.
    package func requireOwn() throws(CloudletError) {
        let owner = try status().owner
        guard owner != geteuid() else { return }
        throw CloudletError(
            .permission, "\(path) belongs to another user (number \(owner))",
            advice: "use a directory of your own, or run this as that user")
    }
}
