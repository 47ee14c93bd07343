// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
package import CloudletCore
import CloudletSystem
import Glibc
import NIOCore

/// Creates the UDP sockets of both discovery protocols; each belongs to one interface. The caller owns the descriptor.
package enum DatagramSocket {
    /// Creates a socket that receives only datagrams sent to `group` on the interface. It does not receive datagrams to
    /// other groups, on other interfaces or by unicast, so it takes none away from other programs on the same port.
    package static func receiver(
        of group: IPAddress, port: UInt16, on interface: NetworkInterface
    ) throws(CloudletError) -> Int32 {
        try make(family(group), "can't listen to \(group) on \(interface.name)") { (socket) throws(CloudletError) in
            try share(socket)
            try unsafe check(cloudlet_bind_device(socket, interface.name))
            try bindTo(socket, group, port: port, scope: group.isV4 ? 0 : UInt32(interface.index))
            switch group {
            case .v4(let value):
                try set(socket, cloudlet_level_ip, cloudlet_ip_multicast_all, 0)
                try check(cloudlet_join4(socket, value.bigEndian, interface.index))
            case .v6:
                try set(socket, cloudlet_level_ipv6, cloudlet_ipv6_multicast_all, 0)
                try unsafe check(cloudlet_join6(socket, group.bytes, UInt32(interface.index)))
            }
        }
    }

    /// Creates a socket bound to an address of the interface; its packets leave by that interface with this source
    /// address. `port` is 0 for any port; a fixed port is shared with other programs. `hops` is the TTL or hop limit of
    /// multicast packets.
    package static func sender(
        from address: IPAddress, port: UInt16, on interface: NetworkInterface, hops: Int32
    ) throws(CloudletError) -> Int32 {
        try make(family(address), "can't use UDP port \(port) of \(address)") { (socket) throws(CloudletError) in
            if port != 0 { try share(socket) }
            try bindTo(socket, address, port: port, scope: address.isLinkLocal ? UInt32(interface.index) : 0)
            if address.isV4 {
                try check(cloudlet_send_from4(socket, interface.index))
                try set(socket, cloudlet_level_ip, IP_MULTICAST_TTL, hops)
            } else {
                try set(socket, cloudlet_level_ipv6, IPV6_MULTICAST_IF, interface.index)
                try set(socket, cloudlet_level_ipv6, IPV6_MULTICAST_HOPS, hops)
            }
        }
    }

    /// Creates a socket like `sender` that only sends: it is connected to an address that never sends, so datagrams to
    /// the port reach the other sockets that share it. It has its own send buffer: datagrams that wait or are lost
    /// there do not affect the other sockets.
    package static func speaker(
        from address: IPAddress, port: UInt16, on interface: NetworkInterface, hops: Int32
    ) throws(CloudletError) -> Int32 {
        let socket = try sender(from: address, port: port, on: interface, hops: hops)
        // Linux still lets a connected UDP socket send to other addresses (udp(7)). Port 9 is the discard port (RFC
        // 863).
        guard cloudlet_connect(socket, Endpoint(address, 9, on: interface.index).raw) == 0 else {
            let error = CloudletError(errno: errno, "can't use UDP port \(port) of \(address)")
            close(socket)
            throw error
        }
        return socket
    }

    /// Requests a send buffer of `bytes`; the system may grant less.
    package static func enlargeSendBuffer(_ socket: Int32, to bytes: Int32) {
        _ = cloudlet_set_option(socket, SOL_SOCKET, SO_SNDBUF, bytes)
    }

    /// Requests a receive buffer of `bytes`; the system may grant less.
    package static func enlargeReceiveBuffer(_ socket: Int32, to bytes: Int32) {
        if cloudlet_set_option(socket, SOL_SOCKET, SO_RCVBUFFORCE, bytes) != 0 {
            _ = cloudlet_set_option(socket, SOL_SOCKET, SO_RCVBUF, bytes)
        }
    }

    /// Sends a datagram; returns `false` when it can't be sent.
    package static func send(_ bytes: [UInt8], from socket: Int32, to target: Endpoint) -> Bool {
        unsafe cloudlet_send(socket, bytes, bytes.count, target.raw) == bytes.count
    }

    /// Makes the kernel report the remaining hop count of each received datagram.
    package static func reportHops(_ socket: Int32, ofV4 isV4: Bool) throws(CloudletError) {
        if isV4 {
            try set(socket, cloudlet_level_ip, IP_RECVTTL, 1)
        } else {
            try set(socket, cloudlet_level_ipv6, IPV6_RECVHOPLIMIT, 1)
        }
    }

    /// Reads the next datagram into `buffer`.
    /// - Returns: its size, its sender, and its remaining hop count, which is -1 if the kernel does not report it;
    ///   `nil` when no datagram has arrived.
    package static func receive(_ socket: Int32, into buffer: inout [UInt8]) -> (
        count: Int, sender: Endpoint, hops: Int32
    )? {
        var sender = cloudlet_peer()
        var hops: Int32 = -1
        let capacity = buffer.count
        // ICMP errors of earlier packets are reported here; the socket remains usable.
        for _ in 0..<16 {
            let count = unsafe cloudlet_receive_with_hops(socket, &buffer, capacity, &sender, &hops)
            if count >= 0 { return (count, Endpoint(sender), hops) }
            if errno == EAGAIN { return nil }
        }
        return nil
    }

    private static func family(_ address: IPAddress) -> Int32 { address.isV4 ? AF_INET : AF_INET6 }

    /// Lets other programs (control points, other responders) use the same port.
    private static func share(_ socket: Int32) throws(CloudletError) {
        try set(socket, SOL_SOCKET, SO_REUSEADDR, 1)
        try set(socket, SOL_SOCKET, SO_REUSEPORT, 1)
    }

    private static func bindTo(_ socket: Int32, _ address: IPAddress, port: UInt16, scope: UInt32) throws(CloudletError)
    {
        switch address {
        case .v4(let value): try check(cloudlet_bind4(socket, value.bigEndian, port))
        case .v6:
            try set(socket, cloudlet_level_ipv6, IPV6_V6ONLY, 1)
            try unsafe check(cloudlet_bind6(socket, address.bytes, port, scope))
        }
    }

    private static func make(
        _ family: Int32, _ purpose: String, _ configure: (Int32) throws(CloudletError) -> Void
    ) throws(CloudletError) -> Int32 {
        let socket = cloudlet_udp_socket(family)
        guard socket >= 0 else { throw CloudletError(errno: errno, purpose) }
        do {
            try configure(socket)
            return socket
        } catch {
            close(socket)
            throw error.during(purpose)
        }
    }

    private static func set(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(CloudletError) {
        try check(cloudlet_set_option(socket, level, name, value))
    }

    private static func check(_ result: Int32) throws(CloudletError) {
        guard result == 0 else { throw CloudletError(errno: errno, "socket") }
    }
}
