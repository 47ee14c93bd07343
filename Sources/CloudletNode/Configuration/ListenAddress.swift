import CloudletCore
import CloudletNetwork

/// An address and a port to listen on, written `ADDRESS:PORT`, `[ADDRESS]:PORT` or `:PORT`.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address; a link-local IPv6 address includes its interface (`fe80::1%eth0`). `nil` stands for every LAN
    /// address.
    package let address: String?
    /// The port; 0 picks a free one.
    package let port: UInt16

    /// The accepted forms, for help and error messages.
    static let expected = "ADDRESS:PORT, as 192.168.1.5:8021 or [fd00::5]:8021, or :PORT for every LAN address"

    /// Thrown when a text is not an address to listen on.
    struct Invalid: Error {
        let reason: String
    }

    /// Creates an address.
    package init(address: String?, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Parses an address.
    init(_ text: String) throws(Invalid) {
        guard let colon = text.lastIndex(of: ":") else { throw Invalid(reason: "it has no port") }
        guard let port = UInt16(text[text.index(after: colon)...]) else {
            throw Invalid(reason: "no port follows the last colon")
        }
        self.port = port
        var host = String(text[..<colon])
        if host.isEmpty {
            address = nil
            return
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if let reason = ScopedAddress.objection(to: host) { throw Invalid(reason: reason) }
        address = host
    }

    /// The address in the form that is parsed.
    package var description: String {
        guard let address else { return ":\(port)" }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
