// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
package import CloudletCore
import Glibc
package import SystemPackage

/// Unix stream sockets, addressed by path.
///
/// A socket address has room for 107 bytes (unix(7)). Longer paths work too: the directory is opened, and the address
/// names it by its descriptor.
package enum LocalStream {
    /// Listens at a path, only for this user (0600). An existing file, such as the socket of an ended program, is
    /// replaced in one step: a client finds either the old socket or the new one, which already listens.
    package static func listen(at path: FilePath) throws(CloudletError) -> File {
        let socket = try make(path)
        let unfinished = FilePath("\(path).new")
        try FileSystem.remove(unfinished)
        // bind(2) gives the file the mode of the socket, so that it is never open to others, not even for a moment.
        guard fchmod(socket.descriptor, 0o600) == 0 else { throw CloudletError(errno: errno, "can't protect \(path)") }
        let failure = try unsafe call(unfinished) { unsafe bind(socket.descriptor, $0, $1) }
        guard failure == 0 else { throw CloudletError(errno: failure, "can't make the socket \(path)") }
        guard Glibc.listen(socket.descriptor, backlog) == 0 else {
            throw CloudletError(errno: errno, "can't listen at \(path)")
        }
        try FileSystem.move(unfinished, to: path)
        return socket
    }

    /// The number of connections that can wait to be accepted.
    private static let backlog: Int32 = 32

    /// Connects to the program that listens at a path. Blocks while that program has too many connections waiting.
    /// - Parameters:
    ///   - path: the socket.
    ///   - timeout: how long this call, and later each write, may block.
    /// - Returns: the connection; `nil` when no program listens there.
    /// - Throws: `CloudletError.unavailable` when the program does not accept the connection in time.
    package static func connect(
        to path: FilePath, timeout: Duration = .seconds(10)
    ) throws(CloudletError) -> File? {
        guard try FileStatus.of(path) != nil else { return nil }
        let socket = try make(path)
        socket.limitWrites(to: timeout)
        let failure = try unsafe call(path) { unsafe Glibc.connect(socket.descriptor, $0, $1) }
        switch failure {
        case 0: return socket
        case ENOENT, ECONNREFUSED: return nil
        case EAGAIN:
            throw CloudletError(
                .unavailable, "the program that listens at \(path) did not accept a connection within \(timeout.shown)")
        default: throw CloudletError(errno: failure, "can't connect to \(path)")
        }
    }

    /// Whether a program accepts connections at a path.
    package static func isAnswered(at path: FilePath) -> Bool { (try? connect(to: path)) ?? nil != nil }

    /// The user who runs the program at the other end of a connection (SO_PEERCRED, unix(7)).
    package static func peerUser(of descriptor: Int32) throws(CloudletError) -> UInt32 {
        var user: UInt32 = 0
        guard unsafe cloudlet_peer_user(descriptor, &user) == 0 else {
            throw CloudletError(errno: errno, "can't read the user of a connection")
        }
        return user
    }

    private static func make(_ path: FilePath) throws(CloudletError) -> File {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw CloudletError(errno: errno, "can't make a socket") }
        return File(owning: descriptor, named: path)
    }

    /// Calls bind(2) or connect(2) with the address of a path.
    /// - Returns: 0, or the number of the error.
    private static func call(
        _ path: FilePath, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(CloudletError) -> Int32 {
        let directory = try Directory.open(path.removingLastComponent())
        let name = Array(directory.descriptorPath.appending(path.lastComponent?.string ?? "").string.utf8)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // One byte must stay 0, as the end of the name.
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw CloudletError(errno: ENAMETOOLONG, "can't use the socket \(path)")
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let failure = result == 0 ? 0 : errno
        withExtendedLifetime(directory) {}
        return failure
    }
}

extension File {
    /// Limits how long each write to a stream socket, and connecting it, may block.
    package func limitWrites(to timeout: Duration) {
        let (seconds, microseconds) = timeout.microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        // The kernel takes 0 for no limit.
        var limit = timeval(tv_sec: seconds, tv_usec: max(seconds == 0 ? 1 : 0, microseconds))
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Bytes from a stream socket. Blocks until some have arrived.
    /// - Parameters:
    ///   - limit: the largest number of bytes to return.
    ///   - deadline: when to stop waiting; `nil` waits without limit.
    ///   - other: another stream socket, whose end also stops the waiting.
    /// - Returns: the bytes, none at the end of the stream; `nil` when the waiting was stopped.
    /// - Throws: `CloudletError` when the socket can't be read.
    package func receive(
        atMost limit: Int, before deadline: ContinuousClock.Instant?, orEndOf other: File? = nil
    ) throws(CloudletError) -> [UInt8]? {
        // poll(2) ignores negative descriptors.
        var entries = [self.descriptor, other?.descriptor ?? -1].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        while true {
            let left = deadline.map { max(0, ($0 - .now).seconds * 1000).rounded(.up) }
            let ready = unsafe Glibc.poll(&entries, 2, left.map { Int32(clamping: Int($0)) } ?? -1)
            if ready == 0 || entries[1].revents != 0 { return nil }
            if ready > 0 { break }
            guard errno == EINTR else { throw CloudletError(errno: errno, "can't read from \(path)") }
        }
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, limit, 0) }
        // If the peer closed the connection with unread bytes, the connection is reset.
        if count < 0, errno == ECONNRESET { return [] }
        guard count >= 0 else { throw CloudletError(errno: errno, "can't read from \(path)") }
        return Array(buffer[..<count])
    }

    /// Ends a stream socket in both directions, so that tasks that wait for it continue.
    package func shutDown() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
}
