import CNetwork
import Glibc

/// An address and a port, with the interface where the address needs one.
struct Place: Hashable, Sendable, CustomStringConvertible {
    let isV6: Bool
    let high: UInt64
    let low: UInt64
    var port: UInt16
    var scope: UInt32

    init(_ raw: cloudlet_peer) {
        (isV6, high, low, port, scope) = (raw.is_v6 != 0, raw.high, raw.low, raw.port, raw.scope)
    }

    /// From a literal address; brackets and a zone are dropped.
    init?(_ text: some StringProtocol, port: UInt16 = 0, scope: UInt32 = 0) {
        let plain = String(text.filter { $0 != "[" && $0 != "]" }.prefix { $0 != "%" })
        var bytes = [UInt8](repeating: 0, count: 16)
        func word(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        if unsafe inet_pton(AF_INET, plain, &bytes) == 1 {
            (isV6, high, low) = (false, 0, word(0..<4))
        } else if unsafe inet_pton(AF_INET6, plain, &bytes) == 1 {
            (isV6, high, low) = (true, word(0..<8), word(8..<16))
        } else {
            return nil
        }
        (self.port, self.scope) = (port, scope)
    }

    var raw: cloudlet_peer {
        cloudlet_peer(is_v6: isV6 ? 1 : 0, port: port, scope: isV6 ? scope : 0, high: high, low: low)
    }

    /// The same address with another port.
    func at(_ port: UInt16) -> Place {
        var result = self
        result.port = port
        return result
    }

    /// The address alone.
    var address: Place {
        var result = self
        (result.port, result.scope) = (0, 0)
        return result
    }

    var isLinkLocal: Bool { isV6 ? high >> 54 == 0xFE80 >> 6 : low >> 16 == 0xA9FE }
    var isLoopback: Bool { isV6 ? high == 0 && low == 1 : low >> 24 == 127 }

    /// The address as a URL has it.
    var host: String { isV6 ? "[\(description)]" : description }

    /// The address in its canonical form.
    var description: String {
        let words = isV6 ? [high, low] : [low << 32]
        let bytes = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } }
        var text = [CChar](repeating: 0, count: 46)
        guard unsafe inet_ntop(isV6 ? AF_INET6 : AF_INET, bytes, &text, 46) != nil else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Whether the first `length` bits are the same.
    func shares(_ length: Int, with other: Place) -> Bool {
        guard isV6 == other.isV6 else { return false }
        if !isV6 { return length == 0 || (low ^ other.low) >> UInt64(max(0, 32 - length)) == 0 }
        if length <= 64 { return (high ^ other.high).leadingZeroBitCount >= length }
        return high == other.high && (low ^ other.low).leadingZeroBitCount >= length - 64
    }

    /// The groups of SSDP and mDNS.
    static let ssdpV4 = Place(cloudlet_peer(is_v6: 0, port: 1900, scope: 0, high: 0, low: 0xEFFF_FFFA))
    static let ssdpLink = Place(cloudlet_peer(is_v6: 1, port: 1900, scope: 0, high: 0xFF02 << 48, low: 0xC))
    static let ssdpSite = Place(cloudlet_peer(is_v6: 1, port: 1900, scope: 0, high: 0xFF05 << 48, low: 0xC))
    static let mdnsV4 = Place(cloudlet_peer(is_v6: 0, port: 5353, scope: 0, high: 0, low: 0xE000_00FB))
    static let mdnsV6 = Place(cloudlet_peer(is_v6: 1, port: 5353, scope: 0, high: 0xFF02 << 48, low: 0xFB))
}

/// An address of this host.
struct OwnAddress: Hashable, Sendable {
    let place: Place
    let prefix: Int
    let interface: String
    let index: Int32

    /// Every address of every interface that is up.
    static func all() -> [OwnAddress] {
        var result: [OwnAddress] = []
        var peer = cloudlet_peer()
        var (prefix, index): (Int32, Int32) = (0, 0)
        var name = [CChar](repeating: 0, count: 32)
        for number in 0..<Int32(256) {
            guard unsafe cloudlet_own_address(number, &peer, &prefix, &index, &name, 32) == 1 else { break }
            let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            result.append(OwnAddress(place: Place(peer), prefix: Int(prefix), interface: text, index: index))
        }
        return result
    }
}
