// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A Unix datagram socket for messages to one address. Sending waits for a slow reader only if
/// requested, and only briefly.
package final class LocalDatagram: Sendable {
    private let descriptor: Int32
    private let address: [UInt8]

    /// A socket for messages to `address`: a path, or the name of an abstract socket with `@` as its first character.
    /// `nil` when the address is not valid or too long.
    package init?(to address: String) {
        var name = Array(address.utf8)
        guard let first = name.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@") else { return nil }
        if first == UInt8(ascii: "@") { name[0] = 0 } else { name.append(0) }
        guard name.count <= 108 else { return nil }
        let family = UInt16(AF_UNIX)
        self.address = [UInt8(truncatingIfNeeded: family), UInt8(truncatingIfNeeded: family >> 8)] + name
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var timeout = timeval(tv_sec: 0, tv_usec: 200_000)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Sends a message.
    /// - Parameters:
    ///   - message: the message.
    ///   - waiting: whether to wait up to 0.2 s for a slow reader, which blocks.
    /// - Returns: whether the other side received it.
    package func send(_ message: [UInt8], waiting: Bool) -> Bool {
        let flags = Int32(MSG_NOSIGNAL) | (waiting ? 0 : Int32(MSG_DONTWAIT))
        return unsafe address.withUnsafeBytes { name in
            guard let base = name.baseAddress else { return false }
            let target = unsafe base.assumingMemoryBound(to: sockaddr.self)
            return unsafe sendto(
                descriptor, message, message.count, flags, target, socklen_t(name.count)) == message.count
        }
    }
}
