// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletNetwork

/// A question.
package struct DNSQuestion: Hashable, Sendable {
    package var name: DNSName
    package var type: UInt16
    /// Whether the answer should come by unicast (RFC 6762 §5.4).
    package var wantsUnicast = false

    package init(name: DNSName, type: UInt16, wantsUnicast: Bool = false) {
        self.name = name
        self.type = type
        self.wantsUnicast = wantsUnicast
    }
}

/// A resource record.
package struct DNSRecord: Hashable, Sendable {
    package var name: DNSName
    /// Seconds for which it is valid; 0 withdraws it.
    package var timeToLive: UInt32
    package var data: Payload

    /// The content of the types that are read.
    package enum Payload: Hashable, Sendable {
        case pointer(DNSName)
        case service(host: DNSName, port: UInt16)
        case text([[UInt8]])
        case address(IPAddress)
    }
}

/// The numbers of record types (RFC 1035 §3.2.2, RFC 3596, RFC 2782).
package enum DNSType {
    package static let a: UInt16 = 1
    package static let ptr: UInt16 = 12
    package static let txt: UInt16 = 16
    package static let aaaa: UInt16 = 28
    package static let srv: UInt16 = 33
}

/// Why a message can't be read.
package enum DNSError: Error, Hashable, Sendable {
    case cutOff
    case badName
    case tooMuch
    case unsupported
}
