// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc
import SystemPackage

extension CloudletError {
    /// The error of a failed system call.
    /// - Parameters:
    ///   - number: the value of `errno` after the call.
    ///   - message: what was tried, and with which file or object.
    package init(errno number: Int32, _ message: String) {
        self.init(
            Self.code(for: number), "\(message): \(Errno(rawValue: number).description)",
            advice: Self.advice(for: number))
    }

    /// The error of a failed function of swift-system.
    static func systemCall(_ error: any Error, _ message: String) -> CloudletError {
        guard let number = error as? Errno else { return .wrapping(error, .system, message) }
        return CloudletError(errno: number.rawValue, message)
    }

    private static func code(for number: Int32) -> CloudletError.Code {
        switch number {
        case ENOENT, ENOTDIR, ENXIO: .notFound
        case EACCES, EPERM, EROFS: .permission
        case EEXIST: .cannotCreate
        case ENOMEM, EAGAIN, EBUSY, EADDRINUSE, EMFILE, ENFILE: .busy
        case EIO, ENOSPC, EDQUOT, EFBIG: .io
        default: .system
        }
    }

    private static func advice(for number: Int32) -> String? {
        switch number {
        case ENOSPC: "free some space or use another directory"
        case EDQUOT: "the disk quota is used up: free some space or use another directory"
        case EFBIG: "use another directory: this one's file system, or the limit 'ulimit -f', does not allow such files"
        case ENAMETOOLONG: "use a shorter name"
        case EMFILE: "raise the limit of open files (ulimit -n)"
        case ENFILE: "end programs that have many files open, or raise the limit of the system (sysctl fs.file-max)"
        default: nil
        }
    }
}
