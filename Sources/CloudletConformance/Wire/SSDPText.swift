// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork

/// An SSDP message as received, parsed leniently: the checks decide what is wrong with it.
struct SSDPText: Sendable {
    let startLine: String
    private let headers: [(name: String, value: String)]

    init?(_ packet: Packet) {
        let lines = String(decoding: packet.bytes, as: UTF8.self).split(
            omittingEmptySubsequences: false, whereSeparator: { $0 == "\r\n" || $0 == "\n" })
        guard let first = lines.first, !first.isEmpty else { return nil }
        startLine = String(first)
        headers = lines.dropFirst().prefix { !$0.isEmpty }.compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (line[..<colon].uppercased(), Self.trimmed(line[line.index(after: colon)...]))
        }
    }

    /// The value of a header; `nil` when there is none.
    subscript(_ name: String) -> String? { headers.first { $0.name == name.uppercased() }?.value }

    var isNotify: Bool { startLine.hasPrefix("NOTIFY") }
    var isAnswer: Bool { startLine.hasPrefix("HTTP/1") }
    /// NTS: `ssdp:alive`, `ssdp:byebye`, `ssdp:update`.
    var kind: String { self["NTS"] ?? "" }
    /// The UDN in the header USN.
    var udn: String? { self["USN"].map { $0.split(separator: "::").first.map(String.init) ?? $0 } }
    /// A header as a number of 31 bits, as in all of UDA; `nil` when it is missing or not a number.
    func number(_ name: String) -> Int? { self[name].flatMap { Int32($0) }.map { Int($0) } }
    /// The max-age in CACHE-CONTROL.
    var maximumAge: Int? {
        guard let field = self["CACHE-CONTROL"]?.lowercased().filter({ $0 != " " }),
            let at = field.firstRange(of: "max-age=")
        else { return nil }
        return Int32(field[at.upperBound...].prefix { $0.isNumber }).map { Int($0) }
    }

    private static func trimmed(_ text: Substring) -> String {
        var rest = text
        while rest.first == " " || rest.first == "\t" { rest.removeFirst() }
        while rest.last == " " || rest.last == "\t" { rest.removeLast() }
        return String(rest)
    }
}

/// A received message with the place and time of its arrival.
struct ReceivedMessage: Sendable {
    let time: ContinuousClock.Instant
    let source: Endpoint
    let hops: Int
    let message: SSDPText

    init?(_ packet: Packet) {
        guard let message = SSDPText(packet) else { return nil }
        (time, source, hops, self.message) = (packet.time, packet.source, packet.hops, message)
    }
}
