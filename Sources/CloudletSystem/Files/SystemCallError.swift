package import CloudletCore
import Glibc

/// Error numbers of the operating system as errors people can read.
package enum SystemCallError {
    /// An error for the current `errno`: `message` says what was tried on what.
    package static func current(_ message: String) -> CloudletError { make(errno, message) }

    /// An error for the number `number`.
    package static func make(_ number: Int32, _ message: String) -> CloudletError {
        CloudletError(code(for: number), "\(message): \(text(for: number))", advice: advice(for: number))
    }

    /// The system's own words for an error number.
    package static func text(for number: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 200)
        let capacity = buffer.count
        return unsafe buffer.withUnsafeMutableBufferPointer { pointer in
            guard let base = pointer.baseAddress, unsafe strerror_r(number, base, capacity) == 0 else {
                return "error \(number)"
            }
            return unsafe String(cString: base)
        }
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
