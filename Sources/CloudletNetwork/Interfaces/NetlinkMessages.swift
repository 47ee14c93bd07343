// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
package import CloudletCore
import Glibc

/// Reads the kernel's answers to requests for all links, all addresses and all neighbours (rtnetlink(7)). Every step
/// checks the lengths, to guard against errors of this parser rather than of the kernel.
package struct NetlinkMessages {
    private var links: [Int32: NetworkInterface] = [:]
    private var addresses: [(interface: Int32, address: InterfaceAddress)] = []
    /// Addresses of other hosts whose hardware address is known.
    private(set) var neighbours: Set<IPAddress> = []
    /// Whether the message that ends an answer has been seen.
    private(set) var isDone = false
    /// The error number in the kernel's answer, if it has one.
    private(set) var failure: Int32?

    /// The interfaces of all answers so far with their usable addresses: primary, then secondary, then deprecated ones.
    package var interfaces: [NetworkInterface] {
        var result = links
        func rank(_ address: InterfaceAddress) -> Int { address.isDeprecated ? 2 : address.isSecondary ? 1 : 0 }
        for place in 0...2 {
            for entry in addresses where rank(entry.address) == place {
                result[entry.interface]?.addresses.append(entry.address)
            }
        }
        return result.values.sorted { $0.index < $1.index }
    }

    /// Prepares for the next answer.
    package mutating func beginAnswer() { isDone = false }

    /// Adds the messages of one datagram.
    package mutating func add(_ datagram: [UInt8]) throws(CloudletError) {
        var offset = 0
        while datagram.count - offset >= 16 {
            let length = Int(datagram.hostInteger(UInt32.self, at: offset))
            let type = datagram.hostInteger(UInt16.self, at: offset + 4)
            guard length >= 16, length <= datagram.count - offset else {
                throw CloudletError(.system, "netlink message of \(length) bytes in a datagram of \(datagram.count)")
            }
            let body = Array(datagram[offset + 16..<offset + length])
            switch Int32(type) {
            case NLMSG_DONE: isDone = true
            case NLMSG_ERROR:
                isDone = true
                if body.count >= 4 { failure = 0 &- Int32(bitPattern: body.hostInteger(UInt32.self, at: 0)) }
            case Int32(RTM_NEWLINK): addLink(body)
            case Int32(RTM_NEWADDR): addAddress(body)
            case Int32(RTM_NEWNEIGH): addNeighbour(body)
            default: break
            }
            offset += (length + 3) & ~3
        }
    }

    /// `struct ifinfomsg`, then attributes.
    private mutating func addLink(_ body: [UInt8]) {
        guard body.count >= 16 else { return }
        let index = Int32(bitPattern: body.hostInteger(UInt32.self, at: 4))
        let flags = body.hostInteger(UInt32.self, at: 8)
        func has(_ flag: UInt32) -> Bool { flags & flag != 0 }
        let attributes = Self.attributes(body, from: 16)
        guard index > 0, let name = attributes[UInt16(IFLA_IFNAME)]?.cString else { return }
        let information = Self.attributes(attributes[UInt16(IFLA_LINKINFO)] ?? [], from: 0)
        let isLoopback = has(UInt32(IFF_LOOPBACK))
        var link = NetworkInterface(
            index: index, name: name, kind: information[UInt16(IFLA_INFO_KIND)]?.cString ?? "",
            isUp: has(UInt32(IFF_UP)) && (isLoopback || has(UInt32(IFF_RUNNING))),
            isMulticast: has(UInt32(IFF_MULTICAST)), isLoopback: isLoopback,
            isPointToPoint: has(UInt32(IFF_POINTOPOINT)))
        link.hardwareType = body.hostInteger(UInt16.self, at: 2)
        link.portOf = information[UInt16(IFLA_INFO_SLAVE_KIND)]?.cString ?? ""
        link.hasDevice = attributes[UInt16(IFLA_PARENT_DEV_NAME)] != nil
        links[index] = link
    }

    /// `struct ifaddrmsg`, then attributes.
    private mutating func addAddress(_ body: [UInt8]) {
        guard body.count >= 8 else { return }
        let prefixLength = Int(body[1])
        let index = Int32(bitPattern: body.hostInteger(UInt32.self, at: 4))
        let attributes = Self.attributes(body, from: 8)
        let flags =
            attributes[UInt16(IFA_FLAGS)].flatMap { $0.count == 4 ? $0.hostInteger(UInt32.self, at: 0) : nil }
            ?? UInt32(body[2])
        let unusable = UInt32(IFA_F_TENTATIVE | IFA_F_DADFAILED)
        let isOptimistic = flags & UInt32(IFA_F_OPTIMISTIC) != 0
        guard flags & unusable == 0 || isOptimistic, body[0] == AF_INET || body[0] == AF_INET6 else { return }
        // On point-to-point links IFA_ADDRESS is the other end; IFA_LOCAL, where present, is ours.
        guard let bytes = attributes[UInt16(IFA_LOCAL)] ?? attributes[UInt16(IFA_ADDRESS)],
            let address = IPAddress(bytes: bytes), prefixLength <= bytes.count * 8
        else { return }
        let isSecondary = flags & UInt32(IFA_F_SECONDARY) != 0
        let isDeprecated = !address.isV4 && flags & UInt32(IFA_F_DEPRECATED) != 0
        addresses.append(
            (
                index,
                InterfaceAddress(
                    address, prefixLength: prefixLength, isSecondary: isSecondary, isDeprecated: isDeprecated)
            ))
    }

    /// `struct ndmsg`, then attributes.
    private mutating func addNeighbour(_ body: [UInt8]) {
        guard body.count >= 12 else { return }
        let known = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT
        guard Int32(body.hostInteger(UInt16.self, at: 8)) & known != 0,
            let bytes = Self.attributes(body, from: 12)[UInt16(NDA_DST)], let address = IPAddress(bytes: bytes)
        else { return }
        neighbours.insert(address)
    }

    /// The attributes (type, value) that follow a message's fixed part; of several with the same type, the first
    /// counts.
    private static func attributes(_ bytes: [UInt8], from start: Int) -> [UInt16: [UInt8]] {
        var result: [UInt16: [UInt8]] = [:]
        var offset = start
        while bytes.count - offset >= 4 {
            let length = Int(bytes.hostInteger(UInt16.self, at: offset))
            let type = bytes.hostInteger(UInt16.self, at: offset + 2) & 0x3FFF
            guard length >= 4, length <= bytes.count - offset else { break }
            if result[type] == nil { result[type] = Array(bytes[offset + 4..<offset + length]) }
            offset += (length + 3) & ~3
        }
        return result
    }
}

extension [UInt8] {
    /// An unsigned integer in the machine's byte order; the bytes must exist.
    fileprivate func hostInteger<T: FixedWidthInteger & UnsignedInteger>(_: T.Type, at offset: Int) -> T {
        let value = self[offset..<offset + T.bitWidth / 8].reversed().reduce(T(0)) { $0 << 8 | T($1) }
        return T(littleEndian: T(1)) == 1 ? value : value.byteSwapped
    }

    /// The text up to the first zero byte.
    fileprivate var cString: String { String(decoding: prefix { $0 != 0 }, as: UTF8.self) }
}
