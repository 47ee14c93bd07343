package import CloudletCore
import CloudletNetwork

/// An address and a port to listen on, written `ADDRESS:PORT`, `[ADDRESS]:PORT` or `:PORT`.
package struct ListenAddress: Hashable, Sendable {
    /// The address, that of an IPv6 link with its interface (`fe80::1%eth0`); `nil` for every LAN address.
    package let address: String?
    /// The port; 0 picks a free one.
    package let port: UInt16

    static let expected = "ADDRESS:PORT, as 192.168.1.5:8021 or [fd00::5]:8021, or :PORT for every LAN address"

    /// Names an address.
    package init(address: String?, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Reads an address.
    /// - Throws: `CloudletError.usage` with the reason and the form expected.
    package init(parsing text: String) throws(CloudletError) {
        switch Self.parse(text) {
        case .success(let parsed): self = parsed
        case .failure(let failure):
            throw CloudletError(
                .usage, "'\(text.displayable(limit: 60))' is no address to listen on: \(failure.reason)",
                advice: "give \(Self.expected)")
        }
    }

    /// Why nobody can listen on what a text says; `nil` when it may be possible.
    static func objection(to text: String) -> String? {
        if case .failure(let failure) = parse(text) { failure.reason } else { nil }
    }

    private struct Failure: Error {
        let reason: String
    }

    private static func parse(_ text: String) -> Result<ListenAddress, Failure> {
        func refuse(_ reason: String) -> Result<ListenAddress, Failure> { .failure(Failure(reason: reason)) }
        guard let colon = text.lastIndex(of: ":") else { return refuse("it has no port") }
        guard let port = UInt16(text[text.index(after: colon)...]) else {
            return refuse("what comes behind the last colon is no port")
        }
        var host = String(text[..<colon])
        if host.isEmpty { return .success(ListenAddress(address: nil, port: port)) }
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = String(host.dropFirst().dropLast()) }
        if let reason = ScopedAddress.objection(to: host) { return refuse(reason) }
        return .success(ListenAddress(address: host, port: port))
    }
}
