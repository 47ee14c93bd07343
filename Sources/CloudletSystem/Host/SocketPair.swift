// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc
import SystemPackage

/// Two connected Unix stream sockets; one end is usually handed to another process.
package struct SocketPair: Sendable {
    /// The end for this process.
    package let ours: File
    /// The end to pass on. Release it afterwards, or the other side never sees the end of the stream.
    package let theirs: File

    /// Makes a pair.
    package init() throws(CloudletError) {
        var descriptors: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &descriptors) == 0 else {
            throw CloudletError(errno: errno, "can't make a pair of sockets")
        }
        ours = File(owning: descriptors[0], named: "socket")
        theirs = File(owning: descriptors[1], named: "socket")
    }
}

extension File {
    /// Reads a stream (socket, pipe) to its end. Blocks. More than `limit` bytes are an error.
    package func readToEnd(limit: Int) throws(CloudletError) -> [UInt8] {
        let stream = FileDescriptor(rawValue: descriptor)
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let got: Int
            do { got = try unsafe buffer.withUnsafeMutableBytes { try unsafe stream.read(into: $0) } } catch {
                throw .systemCall(error, "can't read from \(path)")
            }
            if got == 0 { return result }
            guard result.count + got <= limit else {
                throw CloudletError(.badData, "more than \(ByteCount(limit)) arrived over \(path)")
            }
            result += buffer[0..<got]
        }
    }

    /// Writes all bytes to a stream (socket, pipe). Blocks. If the reader has gone, throws an error; no signal is sent.
    package func writeAll(_ bytes: Span<UInt8>) throws(CloudletError) {
        var done = 0
        let count = bytes.count
        var failure: Int32 = 0
        unsafe bytes.withUnsafeBufferPointer { pointer in
            guard let base = pointer.baseAddress else { return }
            while done < count {
                let put = unsafe send(descriptor, base + done, count - done, Int32(MSG_NOSIGNAL))
                if put >= 0 {
                    done += put
                } else if errno != EINTR {
                    failure = errno
                    return
                }
            }
        }
        guard failure == 0 else { throw CloudletError(errno: failure, "can't write to \(path)") }
    }
}
