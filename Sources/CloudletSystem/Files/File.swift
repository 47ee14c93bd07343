// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// An open file. It is closed when the last reference is released.
///
/// All reads and writes pass their offset, so several tasks can use one `File` at the same time.
package final class File: Sendable {
    /// How a file is opened.
    package enum Mode: Sendable {
        /// An existing file, for reading.
        case read
        /// An existing file, for reading and writing.
        case readWrite
        /// A new file (an existing one is an error), readable and writable, with these permissions.
        case create(permissions: UInt32)
    }

    /// The path with which it was opened, for messages.
    package let path: FilePath
    private let file: FileDescriptor
    /// The descriptor, which is valid as long as this object exists.
    package var descriptor: Int32 { file.rawValue }

    /// Opens a file. Refuses a pipe, a socket or a device without waiting for it.
    /// - Throws: `CloudletError` that names the path and the system's reason.
    package init(_ path: FilePath, _ mode: Mode) throws(CloudletError) {
        // Without O_NONBLOCK, opening a named pipe waits for a writer, and a signal handler can't end that.
        let options: FileDescriptor.OpenOptions = [.nonBlocking, FileDescriptor.OpenOptions(rawValue: O_NOCTTY)]
        let opened =
            switch mode {
            case .read: Self.open(path, .readOnly, options)
            case .readWrite: Self.open(path, .readWrite, options)
            case .create(let permissions):
                Self.open(path, .readWrite, options.union([.create, .exclusiveCreate]), permissions: permissions)
            }
        self.path = path
        switch opened {
        case .success(let descriptor): file = descriptor
        case .failure(let failure):
            if failure == .noSuchAddressOrDevice, let kind = try FileStatus.of(path)?.foreignKind {
                throw Self.isNoFile(path, kind)
            }
            let verb = if case .create = mode { "create" } else { "open" }
            throw CloudletError(errno: failure.rawValue, "can't \(verb) \(path)")
        }
        if let kind = try status().foreignKind { throw Self.isNoFile(path, kind) }
    }

    /// Opens any kind of file; the descriptor is not inherited by other programs.
    /// - Throws: `CloudletError` with `purpose` and the system's reason.
    convenience init(
        opening path: FilePath, _ mode: FileDescriptor.AccessMode, _ options: FileDescriptor.OpenOptions,
        permissions: UInt32? = nil, _ purpose: @autoclosure () -> String
    ) throws(CloudletError) {
        switch Self.open(path, mode, options, permissions: permissions) {
        case .success(let descriptor): self.init(owning: descriptor.rawValue, named: path)
        case .failure(let failure): throw CloudletError(errno: failure.rawValue, purpose())
        }
    }

    private static func open(
        _ path: FilePath, _ mode: FileDescriptor.AccessMode, _ options: FileDescriptor.OpenOptions,
        permissions: UInt32? = nil
    ) -> Result<FileDescriptor, Errno> {
        Result { () throws(Errno) in
            do {
                return try FileDescriptor.open(
                    path, mode, options: options.union(.closeOnExec),
                    permissions: permissions.map { FilePermissions(rawValue: $0) })
            } catch let failure as Errno {
                throw failure
            } catch {
                // Never reached: the function throws only `Errno`, but swift-system does not declare the type.
                throw .ioError
            }
        }
    }

    private static func isNoFile(_ path: FilePath, _ kind: String) -> CloudletError {
        CloudletError(.badData, "\(path.string.displayable()) is \(kind), not a file", advice: "name a regular file")
    }

    /// A path that names the open file as long as this object exists, for other processes of the same user too.
    /// Whatever the file's own name is, this path has no character with a special meaning in a URI, a list or an
    /// option.
    package var descriptorPath: FilePath { FilePath("/proc/\(getpid())/fd/\(descriptor)") }

    /// The directory for temporary files: `TMPDIR`, or /tmp.
    package static var temporaryDirectory: FilePath {
        FilePath(unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp")
    }

    /// A new file without a name, on the file system of `directory`. It is deleted when it is closed.
    package static func unnamed(in directory: FilePath = temporaryDirectory) throws(CloudletError) -> File {
        let unnamed = FileDescriptor.OpenOptions(rawValue: cloudlet_unnamed_file)
        if case .success(let descriptor) = open(directory, .readWrite, unnamed, permissions: 0o600) {
            return File(owning: descriptor.rawValue, named: directory.appending("(unnamed)"))
        }
        // Not every file system supports files without a name. On others, a kill between the two calls leaves a file.
        let file = try File(
            directory.appending(".unnamed-\(UInt64.random(in: 0 ... .max))"), .create(permissions: 0o600))
        try FileSystem.remove(file.path)
        return file
    }

    /// Takes ownership of an open descriptor.
    package init(owning descriptor: Int32, named path: FilePath) {
        self.path = path
        file = FileDescriptor(rawValue: descriptor)
    }

    deinit { try? file.close() }

    /// The file's size in bytes.
    package func size() throws(CloudletError) -> Int { try status().size }

    /// Size, allocated bytes, modification time and identity of the file.
    package func status() throws(CloudletError) -> FileStatus {
        guard let status = FileStatus.of(descriptor: descriptor) else {
            throw CloudletError(errno: errno, "can't examine \(path)")
        }
        return status
    }

    /// Sets the size. Added bytes are a hole.
    package func resize(to bytes: Int) throws(CloudletError) {
        guard ftruncate(descriptor, bytes) == 0 else {
            throw CloudletError(errno: errno, "can't set the size of \(path) to \(ByteCount(bytes))")
        }
    }

    /// Reads `count` bytes at `offset` to the start of `buffer`, which must be at least that large.
    /// - Returns: the number of bytes read, less than `count` only at the end of the file.
    package func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) -> Int {
        precondition(count <= buffer.count, "the buffer is too small")
        var done = 0
        do {
            try unsafe buffer.withUnsafeMutableBytes { bytes in
                while done < count {
                    let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[done..<count])
                    let got = try unsafe file.read(fromAbsoluteOffset: Int64(offset + done), into: rest)
                    if got == 0 { return }
                    done += got
                }
            }
        } catch {
            throw .systemCall(error, "can't read \(path) at byte \(offset)")
        }
        return done
    }

    /// Reads exactly `count` bytes at `offset` to the start of `buffer`.
    /// - Throws: `CloudletError.io` when another program has truncated the file, or a sector can't be read.
    package func readWhole(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) {
        guard try read(into: &buffer, count: count, at: offset) == count else { throw becameShorter }
    }

    /// The error for a file that has become shorter.
    package var becameShorter: CloudletError {
        CloudletError(
            .io, "\(path) became shorter while it was read", advice: "copy the file again from its source")
    }

    /// The `count` bytes at `offset`, fewer only at the end of the file.
    package func read(_ count: Int, at offset: Int) throws(CloudletError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = try read(into: &buffer, count: count, at: offset)
        if got < count { buffer.removeLast(count - got) }
        return buffer
    }

    /// Writes all bytes at `offset`.
    package func write(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError) {
        do {
            // `writeAll` is generic and not specialised here, which would take a quarter longer for a page.
            try unsafe bytes.withUnsafeBytes { bytes in
                var done = 0
                while done < bytes.count {
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
                    done += try unsafe file.write(toAbsoluteOffset: Int64(offset + done), rest)
                }
            }
        } catch {
            throw .systemCall(error, "can't write \(path) at byte \(offset)")
        }
    }

    /// Writes all bytes at `offset`.
    package func write(_ bytes: [UInt8], at offset: Int) throws(CloudletError) { try write(bytes.span, at: offset) }

    /// Waits until everything written is on the disk. Does nothing on a read-only or special file
    /// system.
    package func synchronize() throws(CloudletError) {
        guard fsync(descriptor) == 0 || errno == EROFS || errno == EINVAL else {
            throw CloudletError(errno: errno, "can't write \(path) to the disk")
        }
        DiskJournal.note(.synchronized(path))
    }

    /// Frees the blocks of a range, which then reads as zeros. The size does not change.
    package func punchHole(_ range: Range<Int>) throws(CloudletError) {
        guard !range.isEmpty else { return }
        guard cloudlet_punch_hole(descriptor, off_t(range.lowerBound), off_t(range.count)) == 0 else {
            throw CloudletError(errno: errno, "can't free space in \(path)")
        }
    }

    /// Changes the permission bits of a file without opening it.
    package static func setPermissions(_ mode: UInt32, of path: FilePath) throws(CloudletError) {
        guard unsafe chmod(path.string, mode) == 0 else {
            throw CloudletError(errno: errno, "can't change the mode of \(path)")
        }
    }

    /// Changes the permission bits.
    package func setPermissions(_ mode: UInt32) throws(CloudletError) {
        guard fchmod(descriptor, mode) == 0 else {
            throw CloudletError(errno: errno, "can't change the mode of \(path)")
        }
    }

    /// Changes the permission bits, if this user may: not of another user's file or on a read-only file system.
    package func setPermissionsIfAllowed(_ mode: UInt32) throws(CloudletError) {
        do throws(CloudletError) { try setPermissions(mode) } catch {
            guard error.code == .permission else { throw error }
        }
    }
}

/// The status of a file.
package struct FileStatus: Hashable, Sendable {
    /// Size in bytes.
    package let size: Int
    /// Allocated bytes, less than `size` in a sparse file.
    package let allocated: Int
    /// Time of the last change of the content, in nanoseconds since 1970. The owner can set it to any value.
    package let modified: Int
    /// Time of the last change of content, mode, owner, name or times, in nanoseconds since 1970. No user can set it.
    package let changed: Int
    /// Device and inode: equal for all names of one file.
    package let identity: Identity
    /// Whether it is a regular file.
    package let isRegular: Bool
    /// Whether it is a directory.
    package let isDirectory: Bool
    /// Whether it is a named or unnamed pipe.
    package let isPipe: Bool
    /// Whether it is a character device, such as a terminal.
    package let isCharacterDevice: Bool
    /// The kind of a file that is neither regular nor a directory, which can block a reader without end.
    let foreignKind: String?
    /// Permission bits.
    package let permissions: UInt32
    /// User id of the owner.
    package let owner: UInt32

    /// Whether nobody has written to the file since it had an earlier status. The allocated bytes don't count, because file
    /// systems may allocate them later.
    package func isUnchanged(since earlier: FileStatus) -> Bool {
        (size, modified, changed) == (earlier.size, earlier.modified, earlier.changed) && identity == earlier.identity
    }

    /// Device and inode number.
    package struct Identity: Hashable, Sendable {
        /// Device number.
        package let device: UInt64
        /// Inode number.
        package let inode: UInt64
    }

    init(_ raw: stat) {
        size = max(0, Int(raw.st_size))
        // A file system in user space can report any number.
        allocated = min(Int(raw.st_blocks), Int.max / 512) * 512
        modified = Self.nanoseconds(raw.st_mtim)
        changed = Self.nanoseconds(raw.st_ctim)
        identity = Identity(device: UInt64(raw.st_dev), inode: UInt64(raw.st_ino))
        isRegular = raw.st_mode & S_IFMT == S_IFREG
        isDirectory = raw.st_mode & S_IFMT == S_IFDIR
        isPipe = raw.st_mode & S_IFMT == S_IFIFO
        isCharacterDevice = raw.st_mode & S_IFMT == S_IFCHR
        foreignKind =
            switch raw.st_mode & S_IFMT {
            case S_IFREG, S_IFDIR: nil
            case S_IFIFO: "a named pipe"
            case S_IFSOCK: "a socket"
            default: "a device"
            }
        permissions = raw.st_mode & 0o7777
        owner = raw.st_uid
    }

    /// A file's owner can set times that don't fit into nanoseconds. Different times still give different results.
    private static func nanoseconds(_ time: timespec) -> Int { time.tv_sec &* 1_000_000_000 &+ time.tv_nsec }

    /// The status of the file at `path` (follows symbolic links), or `nil` when there is none.
    package static func of(_ path: FilePath) throws(CloudletError) -> FileStatus? {
        var raw = stat()
        if unsafe stat(path.string, &raw) == 0 { return FileStatus(raw) }
        if errno == ENOENT || errno == ENOTDIR { return nil }
        throw CloudletError(errno: errno, "can't examine \(path)")
    }

    /// The status of what an open descriptor refers to, or `nil` with `errno` when it is not open.
    package static func of(descriptor: Int32) -> FileStatus? {
        var raw = stat()
        return unsafe fstat(descriptor, &raw) == 0 ? FileStatus(raw) : nil
    }
}
