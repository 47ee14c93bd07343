// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
package import CloudletCore
import CloudletSystem
import Glibc

/// The kernel's information about the machine's network (rtnetlink(7)). No other part of finding and advertising
/// depends on Linux.
package enum Netlink {
    /// Every interface of the machine (of this network namespace) with its usable addresses.
    package static func interfaces() throws(CloudletError) -> [NetworkInterface] {
        try read([Int32(RTM_GETLINK), Int32(RTM_GETADDR)]).interfaces
    }

    /// Addresses of hosts that the machine has exchanged packets with recently; empty when the kernel does not report
    /// them.
    package static func neighbours() -> Set<IPAddress> { (try? read([Int32(RTM_GETNEIGH)]))?.neighbours ?? [] }

    private static func read(_ requests: [Int32]) throws(CloudletError) -> NetlinkMessages {
        let socket = cloudlet_netlink_open(0)
        guard socket >= 0 else { throw CloudletError(errno: errno, "can't ask the kernel for its interfaces") }
        defer { close(socket) }
        var messages = NetlinkMessages()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        for request in requests {
            messages.beginAnswer()
            guard cloudlet_netlink_dump(socket, request) == 0 else {
                throw CloudletError(errno: errno, "can't ask the kernel for its interfaces")
            }
            while !messages.isDone {
                do {
                    try messages.add(receive(socket, into: &buffer))
                } catch {
                    throw CloudletError(.system, "can't read the kernel's list of interfaces", cause: error)
                }
            }
            if let failure = messages.failure, failure != 0 {
                throw CloudletError(errno: failure, "the kernel does not list its interfaces")
            }
        }
        return messages
    }

    private static func receive(_ socket: Int32, into buffer: inout [UInt8]) throws -> [UInt8] {
        while true {
            let capacity = buffer.count
            let got = unsafe recv(socket, &buffer, capacity, 0)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw CloudletError(errno: errno, "netlink") }
            return Array(buffer.prefix(got))
        }
    }
}

extension Netlink {
    /// Reports when links or addresses of the machine change.
    package final class Changes: Sendable {
        /// Becomes readable when something has changed.
        package let descriptor: Int32

        /// Starts watching.
        /// - Throws: `CloudletError.system` when the kernel refuses.
        package init() throws(CloudletError) {
            descriptor = cloudlet_netlink_open(1)
            guard descriptor >= 0 else { throw CloudletError(errno: errno, "can't watch the network") }
        }

        deinit { close(descriptor) }

        /// Discards the queued messages: their content does not matter, because the caller reads the whole state again.
        package func drain() {
            var buffer = [UInt8](repeating: 0, count: 16 << 10)
            let capacity = buffer.count
            // An overrun (ENOBUFS) also means that something changed.
            while unsafe recv(descriptor, &buffer, capacity, 0) > 0 || errno == ENOBUFS || errno == EINTR {}
        }
    }
}
