// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Glibc

/// An IPv4 or IPv6 address without port and zone (see ``ScopedAddress``).
package enum IPAddress: Hashable, Sendable, Comparable {
    /// Four bytes; the first one is the most significant.
    case v4(UInt32)
    /// Sixteen bytes in two halves; the first byte is the most significant one of `high`.
    case v6(high: UInt64, low: UInt64)

    /// Reads the usual text forms (RFC 4291 §2.2 for IPv6); a text with a zone (`%eth0`) or brackets is invalid.
    package init?(_ text: String) {
        guard text.utf8.count < 46, !text.utf8.contains(0) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        if unsafe inet_pton(AF_INET, text, &bytes) == 1 {
            self.init(bytes: Array(bytes.prefix(4)))
        } else if unsafe inet_pton(AF_INET6, text, &bytes) == 1 {
            self.init(bytes: bytes)
        } else {
            return nil
        }
    }

    /// Reads 4 or 16 bytes in network order; `nil` for any other number of bytes.
    package init?(bytes: [UInt8]) {
        func word(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: self = .v4(UInt32(word(0..<4)))
        case 16: self = .v6(high: word(0..<8), low: word(8..<16))
        default: return nil
        }
    }

    /// The 4 or 16 bytes in network order.
    package var bytes: [UInt8] {
        switch self {
        case .v4(let value): (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
        case .v6(let high, let low):
            [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> UInt64(56 - 8 * $0)) } }
        }
    }

    /// Whether it is an IPv4 address.
    package var isV4: Bool { if case .v4 = self { true } else { false } }

    /// Whether it means this machine: 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        switch self {
        case .v4(let value): value >> 24 == 127
        case .v6(let high, let low): high == 0 && low == 1
        }
    }

    /// Whether it is valid on one link only: 169.254.0.0/16 or fe80::/10.
    package var isLinkLocal: Bool {
        switch self {
        case .v4(let value): value >> 16 == 0xA9FE
        case .v6(let high, _): high >> 54 == 0xFE80 >> 6
        }
    }

    /// Whether it may mean different hosts on different links, so that it is complete only with a zone (RFC 4007 §6):
    /// fe80::/10.
    package var needsZone: Bool { !isV4 && isLinkLocal }

    /// Whether it is a multicast address: 224.0.0.0/4 or ff00::/8.
    package var isMulticast: Bool {
        switch self {
        case .v4(let value): value >> 28 == 14
        case .v6(let high, _): high >> 56 == 0xFF
        }
    }

    /// Whether it can be the address of one host: neither unspecified, multicast nor broadcast.
    package var isUnicast: Bool {
        switch self {
        case .v4(let value): value >> 24 != 0 && value >> 28 < 14
        case .v6(let high, let low): high >> 56 != 0xFF && (high != 0 || low > 0)
        }
    }

    /// Whether both addresses begin with the same `length` bits (and are of one family).
    package func shares(prefix length: Int, with other: IPAddress) -> Bool {
        switch (self, other) {
        case (.v4(let mine), .v4(let theirs)): (mine ^ theirs).leadingZeroBitCount >= min(length, 32)
        case (.v6(let high, let low), .v6(let otherHigh, let otherLow)):
            length <= 64
                ? (high ^ otherHigh).leadingZeroBitCount >= length
                : high == otherHigh && (low ^ otherLow).leadingZeroBitCount >= min(length, 128) - 64
        default: false
        }
    }

    /// The address as the host part of a URL (RFC 3986 §3.2.2): IPv6 in brackets.
    package var urlHost: String { isV4 ? description : "[\(description)]" }

    /// Orders IPv4 before IPv6, then by bytes.
    package static func < (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.v4(let first), .v4(let second)): first < second
        case (.v6(let firstHigh, let firstLow), .v6(let secondHigh, let secondLow)):
            (firstHigh, firstLow) < (secondHigh, secondLow)
        default: left.isV4
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// The canonical text form (RFC 5952 for IPv6).
    package var description: String {
        var text = [CChar](repeating: 0, count: 46)
        let raw = bytes
        return unsafe text.withUnsafeMutableBufferPointer { pointer in
            guard let base = pointer.baseAddress,
                let result = unsafe inet_ntop(isV4 ? AF_INET : AF_INET6, raw, base, 46)
            else { return "?" }
            return unsafe String(cString: result)
        }
    }
}
